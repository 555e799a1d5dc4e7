"""Which of W&B's files its server has all of."""

from pathlib import Path


def mark_synced(file: Path) -> None:
    """Have `wandb sync` leave out a `.wandb` file, as it does with what it has sent itself.

    W&B marks it so by an empty file, and has no public way to do it for a run that was sent while it was trained.
    """
    file.with_suffix(".wandb.synced").touch()


def is_synced(file: Path) -> bool:
    """Return whether a `.wandb` file is marked so, by `mark_synced` or by `wandb sync`."""
    return file.with_suffix(".wandb.synced").exists()
