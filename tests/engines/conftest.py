import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import ENVIRONMENT
from tests.engines.slurm import Cluster, missing
from tests.sweeps.conftest import sweep, undisturbed

__all__ = ["sweep", "undisturbed"]

pytestmark = pytest.mark.engines


@pytest.fixture(autouse=True)
def beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray adds 15 to its workers' niceness; where other programs run, the tests' runs would wait for minutes."""
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setitem(ENVIRONMENT, "RAY_worker_niceness", "0")


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(reason)
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("not installed: submitit (pip install overparam[slurm])")
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="slurm-")))  # paths of sockets must be short
    cluster.start()
    yield cluster
    cluster.stop()
