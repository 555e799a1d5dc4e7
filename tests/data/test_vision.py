"""The image datasets, from files in the publishers' formats through torchvision's own classes."""

import logging
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets, transforms

from overparam.data import vision
from overparam.data.files import checksums, missing
from overparam.errors import ConfigError
from overparam.training.build import assemble
from overparam.training.run import train
from tests.conftest import compose_config, read_json
from tests.standins import FOLDERS, NAMES, compress, images, write_standin

CLASSES = {
    "mnist": vision.MNIST,
    "fashion_mnist": vision.FashionMNIST,
    "kmnist": vision.KMNIST,
    "cifar10": vision.CIFAR10,
    "cifar100": vision.CIFAR100,
    "svhn": vision.SVHN,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("standins")
    for name in NAMES:
        write_standin(name, root)
    return root


def drawn(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """What `write_standin` drew, as channels-first images and classes, for the training and the test split."""
    rng = np.random.default_rng(0)
    if name in FOLDERS:
        return [(x[:, None], y) for x, y in (images((28, 28), 10, count, rng) for count in (200, 100))]
    if name == "svhn":
        splits = [images((32, 32, 3), 10, count, rng) for count in (200, 100)]
        return [(x.transpose(0, 3, 1, 2), y) for x, y in splits]
    return [images((3, 32, 32), 10 if name == "cifar10" else 100, count, rng) for count in (200, 100)]


@pytest.mark.parametrize("name", NAMES)
def test_the_genuine_format_is_read_pixel_by_pixel(name, folder):
    data = CLASSES[name](root=str(folder))
    data.prepare_data()
    pool = data.load()
    (train_x, train_y), (test_x, test_y) = drawn(name)
    for tensor, array in zip(pool, (train_x, train_y, test_x, test_y), strict=True):
        assert torch.equal(tensor, torch.from_numpy(array))
        assert tensor.is_contiguous()
    assert pool.train_x.dtype == torch.uint8
    assert data.input_shape == pool.train_x.shape[1:]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_without_files(name, tmp_path):
    sizes = {"svhn": 73_257, "cifar10": 50_000, "cifar100": 50_000}
    for n in (None, 40):
        cfg = compose_config(f"data={name}", f"data.n_train={n or 'null'}", f"paths.data={tmp_path}")
        data = assemble(cfg).data
        assert data.pool_size == sizes.get(name, 60_000)
        assert data.n_train == (n or data.pool_size)
        assert data.num_outputs == (100 if name == "cifar100" else 10)
        assert data.input_shape == ((1, 28, 28) if name in FOLDERS else (3, 32, 32))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_torchvisions_normalized_images(name, folder):
    data = CLASSES[name](root=str(folder), n_train=20)
    data.setup()
    normalize = transforms.Normalize(data.mean, data.std)
    for split in (data.train, data.test):
        assert split.stored.dtype == torch.uint8
        assert torch.equal(split.x, split.inputs())
        inputs = split.inputs(slice(3, 7))
        for image, x in zip(split.stored[3:7], inputs, strict=True):
            picture = transforms.ToPILImage()(image)
            torch.testing.assert_close(x, normalize(transforms.ToTensor()(picture)), rtol=0, atol=2e-6)
    batches = list(data.test.batches(30))
    assert [len(x) for x, *_ in batches] == [30, 30, 30, 10]
    assert torch.equal(torch.cat([x for x, *_ in batches]), data.test.inputs())


@pytest.mark.parametrize("name", NAMES)
def test_absent_files_are_named_before_anything_is_written(name, tmp_path):
    logs, root = tmp_path / "logs", tmp_path / "data"
    cfg = compose_config(f"data={name}", f"paths.data={root}", f"paths.logs={logs}", "logger=local")
    with pytest.raises(ConfigError) as caught:
        train(cfg)
    line = str(caught.value)
    assert "\n" not in line
    assert "data.download=true" in line
    assert "data.root" in line
    assert all(file in line for file in checksums(CLASSES[name].source))
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_missing_is_named(tmp_path):
    write_standin("cifar10", tmp_path)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(ValueError, match=r"cifar-10-batches-py/data_batch_3 missing") as caught:
        vision.CIFAR10(root=str(tmp_path)).prepare_data()
    assert "data_batch_2" not in str(caught.value)


def test_compressed_mnist_is_unpacked(tmp_path):
    raw = write_standin("kmnist", tmp_path) / "KMNIST" / "raw"
    compress(raw)
    data = vision.KMNIST(root=str(tmp_path))
    data.prepare_data()
    assert torch.equal(data.load().train_x, torch.from_numpy(drawn("kmnist")[0][0]))
    assert len(list(raw.glob("*.gz"))) == 4  # the user's own files stay


def pack_cifar(root, packed):
    """Pack the stand-in as CIFAR-10 is published."""
    write_standin("cifar10", root)
    packed.mkdir(exist_ok=True)
    with tarfile.open(packed / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(root / "cifar-10-batches-py", "cifar-10-batches-py")
    return packed / "cifar-10-python.tar.gz"


def test_a_packed_cifar_is_unpacked(tmp_path):
    pack_cifar(tmp_path / "a", tmp_path / "b")
    data = vision.CIFAR10(root=str(tmp_path / "b"))
    data.prepare_data()
    assert torch.equal(data.load().test_x, torch.from_numpy(drawn("cifar10")[1][0]))


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Makes the stand-in the published CIFAR-10: its checksums are those torchvision asks for."""
    archive = pack_cifar(tmp_path / "a", tmp_path / "b")
    md5 = datasets.utils.calculate_md5
    known = {path.name: md5(path) for path in (tmp_path / "a" / "cifar-10-batches-py").iterdir()}
    for name in ("train_list", "test_list"):
        files = [[file, known[file]] for file, _ in getattr(datasets.CIFAR10, name)]
        monkeypatch.setattr(datasets.CIFAR10, name, files)
    meta = datasets.CIFAR10.meta | {"md5": known["batches.meta"]}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive))
    handler = partial(QuietHandler, directory=archive.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        monkeypatch.setattr(datasets.CIFAR10, "url", address)
        yield tmp_path
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


def test_download_on_request(published):
    root = published / "downloaded"
    data = vision.CIFAR10(root=str(root), download=True)
    data.prepare_data()
    data.setup()
    assert len(data.train) == 200
    assert not missing(datasets.CIFAR10, root)
    assert {path.name for path in root.iterdir()} <= {"cifar-10-batches-py", ".lock"}


def test_a_download_without_network_says_so(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    for name in NAMES:
        with pytest.raises(ValueError, match="Name or service not known") as caught:
            CLASSES[name](root=str(tmp_path / name), download=True).prepare_data()
        assert "put the files" in str(caught.value)


def test_files_that_are_not_the_published_ones_are_used_with_a_warning(published, caplog):
    root = published / "a"
    with caplog.at_level(logging.WARNING):
        vision.CIFAR10(root=str(root)).prepare_data()
    assert caplog.text == ""
    batch = root / "cifar-10-batches-py" / "data_batch_2"
    batch.write_bytes(batch.read_bytes() + b"\0")
    vision._read.cache_clear()
    with caplog.at_level(logging.WARNING):
        data = vision.CIFAR10(root=str(root))
        data.prepare_data()
    assert len(data.load().train_y) == 200
    assert "data_batch_2" in caplog.text
    assert "data_batch_1" not in caplog.text


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
        ("cifar10", "cifar-10-batches-py/data_batch_4"),
        ("svhn", "test_32x32.mat"),
    ],
)
def test_a_cut_off_file_is_one_line(name, file, tmp_path):
    path = write_standin(name, tmp_path) / file
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read") as caught:
        CLASSES[name](root=str(tmp_path)).prepare_data()
    assert "\n" not in str(caught.value)


def test_labels_out_of_range_are_one_line(tmp_path):
    labels = write_standin("mnist", tmp_path) / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + bytes([10]))
    with pytest.raises(ValueError, match="labels from 0 to 10"):
        vision.MNIST(root=str(tmp_path)).prepare_data()


def test_a_reduced_copy_gives_what_it_holds_and_no_more(folder):
    data = vision.CIFAR10(root=str(folder), batch_size=500)
    data.prepare_data()
    assert (data.n_train, data.batch_size) == (200, 200)
    with pytest.raises(ValueError, match=r"n_train=300, but CIFAR10 in .* holds 200"):
        vision.CIFAR10(root=str(folder), n_train=300).prepare_data()


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_a_run_is_the_same_resident_or_not(name, folder, tmp_path):
    rows = {}
    for resident in ("true", "false"):
        logs = tmp_path / resident
        run = train(
            compose_config(
                *(f"data={name}", f"paths.data={folder}", f"data.resident={resident}", "data.batch_size=48"),
                *(
                    "data.crop=2",
                    "data.flip=true",
                    "data.cutout=6",
                    "data.label_noise=0.2",
                    "data.num_workers=1",
                ),
                *("model.width=4", "trainer.max_steps=12", "trainer.accelerator=cpu", "logger=local"),
                f"paths.logs={logs}",
            )
        )
        rows[resident] = (logs / "runs" / run["identity"] / "metrics.csv").read_text()
        assert read_json(logs / "runs" / run["identity"] / "summary.json")["n_train"] == 200
    assert rows["true"] == rows["false"]
