"""The guide to Weights & Biases, before a stand-in for its server."""

import pytest

from tests.loggers.conftest import environment, server

__all__ = ["environment", "server"]


@pytest.fixture
def logged_in(server, environment):
    """The account that the page's reader has on a machine: W&B's own commands do not read `.env`."""
    environment.setenv("WANDB_ENTITY", "my-team")
    environment.setenv("WANDB_PROJECT", "descent")
    return server


def test_the_guide(logged_in, follow):
    guide = follow("wandb.md")
    trained = {run["identity"]: run for run in guide.summaries("curves")}
    assert len(trained) == 3
    runs = {run["displayName"]: run for run in logged_in.runs.values()}
    assert trained.keys() <= runs.keys()
    assert {(run["entity"], run["project"], run["group"]) for run in runs.values()} == {
        ("my-team", "descent", "curves")
    }
    for identity, summary in trained.items():
        assert runs[identity]["summary"]["test_error"] == summary["test_error"]
