"""Locks between processes, held as long as the process lives: who trains a run, who unpacks a data set."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

log = logging.getLogger(__name__)

MARKER = ".held"  # ending of the file that takes a lock's place
# What a file system says that has no locks, such as Lustre mounted without flock, or NFS without its lock service.
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock that a file stands for; however the process ends, so does the lock.

    Where the file system has no locks, a file beside it takes its place that names the process and its machine. It
    counts for nothing once they are gone, as far as this machine can tell.

    Args:
        path: the file; it is made, and stays.
        timeout: seconds to wait for another process that holds it; -1 waits for ever.

    Raises:
        Timeout: if it still does.
    """
    held: FileLock | SoftFileLock = FileLock(path, timeout, poll_interval=0.02, fallback_to_soft=False)
    try:
        held.acquire()
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        _say_none(path.parent.parent)
        held = SoftFileLock(_marker(path), timeout, poll_interval=0.02)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}{MARKER}")


def is_held(path: Path) -> bool:
    """Return whether some process holds the lock that a file stands for; a file that can only be read will do."""
    if not path.exists():
        return False
    try:
        with FileLock(path, blocking=False, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except OSError as error:
        if error.errno in READ_ONLY:
            return _is_held_for_readers(path)
        if error.errno not in NO_LOCKS:
            raise
    if not _marker(path).exists():
        return False
    try:
        with SoftFileLock(_marker(path), blocking=False):
            return False
    except (Timeout, OSError):
        return True


def _is_held_for_readers(path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return _marker(path).exists()
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return _marker(path).exists()
    return False


@cache
def _say_none(folder: Path) -> None:
    log.warning(
        "%s is on a file system without locks: files .lock%s take their place; if a machine goes down, delete its",
        *(folder, MARKER),
    )
