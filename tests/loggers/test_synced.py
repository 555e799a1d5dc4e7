import subprocess
import sys
from pathlib import Path

from overparam.loggers.synced import mark_synced


def test_wandb_sync_leaves_out_what_is_marked_synced(tmp_path: Path) -> None:
    files = [tmp_path / f"offline-run-20260101_00000{i}-r{i}" / f"run-r{i}.wandb" for i in (0, 1)]
    for file in files:
        file.parent.mkdir()
        file.touch()
    mark_synced(files[0])
    wandb = str(Path(sys.executable).with_name("wandb"))
    command = [wandb, "sync", "--dry-run", *(str(file.parent) for file in files)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stderr
    assert "run-r1.wandb" in said
    assert "run-r0.wandb" not in said
