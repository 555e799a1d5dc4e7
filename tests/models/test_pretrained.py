import pytest
import torch

from overparam.models.cnn import CNN
from overparam.models.mlp import MLP
from overparam.models.pretrained import digest, load_pretrained


def cnn(num_outputs, width=2, seed=0):
    torch.manual_seed(seed)
    net = CNN((1, 8, 8), num_outputs, width, stages=2)
    net(torch.randn(16, 1, 8, 8))  # BatchNorm statistics of its own
    return net


def test_all_but_the_last_layer_is_taken(tmp_path):
    old, new, path = cnn(5), cnn(7, seed=1), tmp_path / "weights.pt"
    torch.save(old.state_dict(), path)
    drawn = {name: value.clone() for name, value in new.state_dict().items()}
    load_pretrained(new, path)
    last = len(new) - 1
    for name, value in new.state_dict().items():
        source = drawn if name.startswith(f"{last}.") else old.state_dict()
        assert torch.equal(value, source[name]), name
    x = torch.randn(3, 1, 8, 8)
    features = [torch.nn.Sequential(*list(net.eval())[:-1])(x) for net in (old, new)]
    assert torch.equal(*features)


def test_digits_of_double_precision_survive(tmp_path):
    old, new = MLP((4,), 2, 3).double(), MLP((4,), 2, 3).double()
    torch.save(old.state_dict(), tmp_path / "weights.pt")
    load_pretrained(new, tmp_path / "weights.pt")
    assert torch.equal(new.layers[1].weight, old.layers[1].weight)


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(cnn(5).state_dict(), path)
    with pytest.raises(ValueError, match=r"0\.weight as \[2, 1, 3, 3\], and this network has \[3, 1, 3, 3\]"):
        load_pretrained(cnn(5, width=3), path)
    with pytest.raises(ValueError, match=r"has no layers\.1\.weight: it is of another network"):
        load_pretrained(MLP((64,), 5, 3), path)
    with torch.device("meta"):
        load_pretrained(CNN((1, 8, 8), 5, 2, stages=2), path)  # a check that costs no memory
    torch.save(MLP((4,), 2, 3, depth=2).state_dict(), path)
    with pytest.raises(ValueError, match=r"which this network has not"):
        load_pretrained(MLP((4,), 2, 3), path)


class Trap:
    def __reduce__(self):
        return (print, ("code from a file of weights was run",))


@pytest.mark.parametrize("content", [b"", b"not weights", Trap(), [1, 2], {"a": 3}])
def test_a_file_of_something_else_is_refused_and_never_run(tmp_path, capsys, content):
    path = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match="holds no"):
        load_pretrained(cnn(5), path)
    assert "code from" not in capsys.readouterr().out


def test_the_digest_is_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abc")
    assert digest(tmp_path / "a") == digest(tmp_path / "b") == "ba7816bf8f01cfea"  # SHA-256 of "abc"
