import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.slurm import Cluster, missing
from tests.sweeps.conftest import GRID, Sweep, results, sweep

__all__ = ["sweep"]

pytestmark = pytest.mark.engines


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    logs = tmp_path_factory.mktemp("undisturbed")
    code, _ = Sweep(logs, "name=undisturbed", *GRID).run()
    assert code == 0
    return results(logs / "undisturbed")
