import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.slurm import Cluster, missing
from tests.sweeps.conftest import sweep, undisturbed

__all__ = ["sweep", "undisturbed"]

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
