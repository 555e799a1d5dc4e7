"""CIFAR's files as Python 2, Python 3 or an attacker wrote them."""

import io
import pickle
import tarfile

import numpy as np
import pytest
import torch

from overparam.data import vision
from overparam.data.cifar import ArrayUnpickler, read_batches
from tests.crafted import Makes
from tests.standins import write_standin

IMAGES = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "labels", [[3, 9], np.array([3, 9]), np.array([3, 9], ">i2"), list(np.array([3, 9]))]
)
def test_a_copy_of_any_protocol_is_read(protocol, labels, tmp_path):
    batches = [{"data": IMAGES, "labels": labels}, {"data": IMAGES[:1].copy("F"), "fine_labels": labels[:1]}]
    for number, batch in enumerate(batches):
        (tmp_path / str(number)).write_bytes(pickle.dumps(batch, protocol=protocol))
    x, y = read_batches([tmp_path / "0", tmp_path / "1"])
    assert torch.equal(x, torch.from_numpy(np.concatenate([IMAGES, IMAGES[:1]]).reshape(3, 3, 32, 32)))
    assert y.tolist() == [3, 9, 3]


class Calls:
    """A pickle that calls a function of some module."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_batch_calls_nothing(protocol, tmp_path):
    root, made = write_standin("cifar10", tmp_path), tmp_path / "made"
    crafted = pickle.dumps({"data": IMAGES, "labels": [0, 1], "more": Makes(made)}, protocol=protocol)
    (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(crafted)
    with pytest.raises(ValueError, match=r"cannot be read: .*mkdir, which is no part of an array") as caught:
        vision.CIFAR10(root=str(root)).prepare_data()
    assert "\n" not in str(caught.value)
    assert not made.exists()
    pickle.loads(crafted)
    assert made.exists()  # so it would have been


@pytest.mark.parametrize(
    "value",
    [
        Calls(eval, "1 + 1"),
        Calls(getattr, "", "join"),
        Calls(np.load, "anything"),
        np.array([object], dtype=object),
        np.array([None, []], dtype=object),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(value):
    with pytest.raises(pickle.UnpicklingError, match=r"it names|not of numbers"):
        ArrayUnpickler(io.BytesIO(pickle.dumps(value))).load()


def test_an_array_is_never_made_of_memory_that_a_file_points_to():
    crafted = pickle.dumps(Calls(np.ndarray, (1,), "O", b"12345678"))
    assert ArrayUnpickler(io.BytesIO(crafted)).load().values.size == 0


def test_the_labels_of_the_metadata_are_not_even_read(tmp_path):
    root, made = write_standin("cifar10", tmp_path), tmp_path / "made"
    (root / "cifar-10-batches-py" / "batches.meta").write_bytes(pickle.dumps({"label_names": Makes(made)}))
    vision.CIFAR10(root=str(root)).prepare_data()
    assert not made.exists()


def write_archive(root, *members):
    """A CIFAR-10 as it is published, and more members: names, with what they hold or lead to."""
    root.mkdir()
    with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = tarfile.SYMTYPE, str(content)
                tar.addfile(member)
        tar.add(
            write_standin("cifar10", root.parent / "standin") / "cifar-10-batches-py", "cifar-10-batches-py"
        )


@pytest.mark.parametrize("name", ["../../../outside", "cifar-10-batches-py/../../../../outside"])
def test_an_archive_writes_nothing_outside(name, tmp_path):
    write_archive(tmp_path / "root", (name, b"x"))
    with pytest.raises(ValueError, match="outside") as caught:
        vision.CIFAR10(root=str(tmp_path / "root")).prepare_data()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("outside"))
    assert not (tmp_path.parent / "outside").exists()


def test_an_archive_does_not_write_through_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_archive(tmp_path / "root", ("link", elsewhere), ("link/file", b"x"), ("absolute", "/etc/hostname"))
    vision.CIFAR10(root=str(tmp_path / "root")).prepare_data()
    assert not list(elsewhere.iterdir())
    assert not any(path.is_symlink() for path in (tmp_path / "root").rglob("*"))
