"""The files of torchvision's datasets: what they are called, whether they are there, and how to get them."""

import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torchvision import datasets
from torchvision.datasets.utils import check_integrity, extract_archive

from overparam.locks import locked


def checksums(source: Any) -> dict[str, str | None]:
    """Return the files that torchvision's class `source` reads under its root, and their MD5 where known."""
    if issubclass(source, datasets.MNIST):
        folder = f"{source.__name__}/raw"
        return {f"{folder}/{archive.removesuffix('.gz')}": None for archive, _ in source.resources}
    if issubclass(source, datasets.CIFAR10):
        listed = [*source.train_list, *source.test_list, (source.meta["filename"], source.meta["md5"])]
        return {f"{source.base_folder}/{name}": md5 for name, md5 in listed}
    return {name: md5 for _, name, md5 in (source.split_list["train"], source.split_list["test"])}


def archives(source: Any) -> list[str]:
    """Return the archives, under the root folder, that hold these files as they are published."""
    if issubclass(source, datasets.MNIST):
        return [f"{source.__name__}/raw/{archive}" for archive, _ in source.resources]
    return [source.filename] if issubclass(source, datasets.CIFAR10) else []


def missing(source: Any, root: Path) -> list[str]:
    """Return the files that are not there."""
    return [name for name in checksums(source) if not (root / name).is_file()]


def differing(source: Any, root: Path) -> list[str]:
    """Return the files that are there and are not the published ones, as far as torchvision knows those."""
    return [name for name, md5 in checksums(source).items() if not check_integrity(root / name, md5)]


def svhn_without_checksums() -> Any:
    """Return torchvision's SVHN as a class that reads files of the right format whatever they hold.

    torchvision refuses a file that is not the published one, which shuts out a corrected or reduced copy.
    """
    unchecked = {split: [url, file, None] for split, (url, file, _) in datasets.SVHN.split_list.items()}
    return type("SVHN", (datasets.SVHN,), {"split_list": unchecked})


def fetch(source: Any, root: Path, download: bool) -> None:
    """Check that every file exists; unpack archives that do, and download the rest if that is allowed.

    Files are made beside their place and then moved, under a lock, so several runs may ask at once.

    Raises:
        ValueError: if files are missing, with what to do.
    """
    if not missing(source, root):
        return
    if not (download or any((root / archive).is_file() for archive in archives(source))):
        raise ValueError(_absent(source, root))
    try:
        _make(source, root, download)
    except Exception as error:  # no network, no room, a broken archive: each has an exception of its own
        raise ValueError(f"{_absent(source, root)} (tried: {' '.join(str(error).split())})") from error
    if missing(source, root):
        raise ValueError(_absent(source, root))


def _make(source: Any, root: Path, download: bool) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / ".lock"), TemporaryDirectory(dir=root, prefix=".unpacked-") as staging:
        lacking, made = missing(source, root), Path(staging)
        for archive in archives(source) if lacking else []:
            if (root / archive).is_file():
                (made / archive).parent.mkdir(parents=True, exist_ok=True)
                _unpack(root / archive, (made / archive).parent)
        if download and any(not (made / name).is_file() for name in lacking):
            _download(source, made)
        for name in lacking:
            if (made / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).replace(root / name)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive that may be anyone's: of a tar its plain files alone, and none outside `folder`."""
    if ".tar" not in archive.suffixes:
        extract_archive(archive, folder)  # one compressed file
        return
    with tarfile.open(archive) as tar:
        tar.extractall(folder, [member for member in tar if member.isfile()], filter="data")


def _download(source: Any, root: Path) -> None:
    if source is datasets.SVHN:
        for split in ("train", "test"):
            source(root, split=split, download=True)
    else:
        source(root, download=True)


def _absent(source: Any, root: Path) -> str:
    names = missing(source, root)
    packed = f" (or {', '.join(archives(source))})" if archives(source) else ""
    return (
        f"{source.__name__} is not in {root}: {', '.join(names)} missing; download with data.download=true, "
        f"or put the files{packed} there, or set data.root to the folder that holds them"
    )
