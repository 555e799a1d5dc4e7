"""The guide to searches, without Optuna and without W&B's server: what both would start trains."""

import shlex
from string import Template

from omegaconf import OmegaConf


def test_the_guide(follow):
    guide = follow("search.md")
    (first, second) = guide.summaries("tune")
    assert {first["config"]["optimizer.lr"], second["config"]["optimizer.lr"]} == {0.003, 0.1}
    assert all(0 < run["val_error"] < 1 for run in (first, second))
    # What the page says an agent starts is what the agent's file says.
    agent = OmegaConf.to_container(OmegaConf.load(guide.folder / "search.yaml"), resolve=False)
    values = [f"{key}={range_['max']}" for key, range_ in agent["parameters"].items()]
    words = {"program": agent["program"], "args_no_hyphens": " ".join(values)}
    command = " ".join(Template(word).substitute(words) for word in agent["command"])
    assert shlex.split(command) == shlex.split(guide.said[-1][0])
    assert agent["metric"]["name"] in first
    assert any(guide.folder.glob("logs/tune/*/wandb/offline-run-*"))
