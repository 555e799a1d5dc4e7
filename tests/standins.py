"""Small stand-ins for the vision datasets, in the files their publishers distribute.

    write_standin("cifar10", folder)                  # then train with data=cifar10 data.root=folder

Every class has an image of its own, seen through noise, so that a network can learn it. Only the contents are
made up: names, layouts, dtypes and label conventions are those of the genuine files.
"""

import gzip
import io
import pickle
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np
import scipy.io

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
NAMES = (*FOLDERS, "cifar10", "cifar100", "svhn")


def images(
    shape: tuple[int, ...], classes: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images [count, *shape] and labels [count]; the class images depend on the shape alone."""
    templates = np.random.default_rng(len(shape) * classes).integers(0, 256, (classes, *shape))
    labels = np.arange(count) % classes
    noise = rng.integers(-60, 61, (count, *shape))
    return np.clip(templates[labels] + noise, 0, 255).astype(np.uint8), labels


def write_standin(name: str, root: Path, n_train: int = 200, n_test: int = 100, seed: int = 0) -> Path:
    """Write the stand-in for `data=<name>` under `root`, and return `root`."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    if name in FOLDERS:
        folder = root / FOLDERS[name] / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        for split, count in (("train", n_train), ("t10k", n_test)):
            x, y = images((28, 28), 10, count, rng)
            write_idx(folder / f"{split}-images-idx3-ubyte", x)
            write_idx(folder / f"{split}-labels-idx1-ubyte", y.astype(np.uint8))
    elif name == "svhn":
        for split, count in (("train", n_train), ("test", n_test)):
            x, y = images((32, 32, 3), 10, count, rng)
            # Height, width, color, sample; and 10 stands for the digit 0.
            y = np.where(y == 0, 10, y).astype(np.uint8)[:, None]
            scipy.io.savemat(root / f"{split}_32x32.mat", {"X": x.transpose(1, 2, 3, 0), "y": y})
    else:
        write_cifar(name, root, n_train, n_test, rng)
    return root


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write a uint8 array in the IDX format: big-endian magic number and sizes, then the bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def compress(folder: Path) -> None:
    """Replace every file in `folder` by file.gz, as MNIST is published."""
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def write_cifar(name: str, root: Path, n_train: int, n_test: int, rng: np.random.Generator) -> None:
    """Write CIFAR's pickled batches: rows of 3072 bytes, the red plane first."""
    classes = 10 if name == "cifar10" else 100
    folder = root / ("cifar-10-batches-py" if name == "cifar10" else "cifar-100-python")
    folder.mkdir(exist_ok=True)

    def write(file: str, x: np.ndarray, y: np.ndarray) -> None:
        batch = {
            b"batch_label": file.encode(),
            b"data": x.reshape(len(x), -1),
            b"filenames": [b"image_%05d.png" % i for i in range(len(x))],
        }
        if name == "cifar10":
            batch[b"labels"] = y.tolist()
        else:
            batch |= {b"fine_labels": y.tolist(), b"coarse_labels": (y // 5).tolist()}
        (folder / file).write_bytes(python2_pickle(batch))

    x, y = images((3, 32, 32), classes, n_train, rng)
    if name == "cifar10":
        for i, part in enumerate(np.array_split(np.arange(n_train), 5)):
            write(f"data_batch_{i + 1}", x[part], y[part])
        meta = {b"label_names": [b"class %d" % i for i in range(10)], b"num_vis": 3072}
    else:
        write("train", x, y)
        meta = {b"fine_label_names": [b"class %d" % i for i in range(100)]}
    write("test_batch" if name == "cifar10" else "test", *images((3, 32, 32), classes, n_test, rng))
    meta_file = "batches.meta" if name == "cifar10" else "meta"
    (folder / meta_file).write_bytes(python2_pickle(meta))


class Python2Pickler(pickle._Pickler):
    """Pickles bytes as Python 2 pickled its strings, which is what CIFAR's files hold."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        short = len(value) < 256
        self.write(
            pickle.SHORT_BINSTRING + bytes([len(value)])
            if short
            else pickle.BINSTRING + struct.pack("<i", len(value))
        )
        self.write(value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def python2_pickle(value: object) -> bytes:
    """Return the pickle, protocol 2, that Python 2 and its numpy would have written."""
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(value)
    return buffer.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")
