"""The guide to local configs and `.env`."""

import os

from omegaconf import OmegaConf


def test_the_guide(follow, monkeypatch):
    monkeypatch.delenv("DATA_PASSWORD", raising=False)
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
    (logged,) = guide.folder.glob("scratch/runs/logged/mlp*")
    assert "${oc.env:DATA_PASSWORD}" in (logged / "config.yaml").read_text()
    texts = [path.read_bytes() for path in logged.glob("**/*") if path.is_file()]
    assert not any(b"password-of-the-guide" in text for text in texts)
    assert any(b"my-team" in text or b"descent" in text for text in texts) or "WANDB_ENTITY" not in os.environ
