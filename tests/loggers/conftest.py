import pytest

from overparam.loggers import wandb_start
from tests.loggers.wandb_server import WandbServer


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """A key that is accepted anywhere, no settings of the person who runs the tests, a fresh client."""
    import wandb

    for name in ("MODE", "ENTITY", "PROJECT", "RUN_GROUP", "TAGS", "NOTES", "SWEEP_ID", "RUN_ID"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setattr(wandb_start, "_unreachable_until", 0.0)
    wandb.teardown()
    yield monkeypatch
    wandb.teardown()


@pytest.fixture
def server(environment):
    server = WandbServer()
    environment.setenv("WANDB_BASE_URL", server.url)
    yield server
    server.fault = None
    server.close()
