"""The guide to local configs and `.env`."""

from omegaconf import OmegaConf


def test_the_guide(follow, monkeypatch):
    for name in ("WANDB_ENTITY", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    guide = follow("your_machine.md")
    runs = [path.parent for path in sorted(guide.folder.glob("**/summary.json"))]
    assert {str(run.parent.relative_to(guide.folder)) for run in runs} == {
        "elsewhere/mine",
        "scratch/runs/mine",
        "scratch/runs/logged",
    }
    assert len({run.name for run in runs}) == 1  # nothing of it counts in the identity
    for run in runs:
        config = OmegaConf.load(run / "config.yaml")
        assert (config.checkpoint_seconds, config.trainer.accelerator) == (600, "cpu")
    (logged,) = guide.folder.glob("scratch/runs/logged/mlp*/wandb/offline-run-*/*.wandb")
    assert b"descent" in logged.read_bytes()
