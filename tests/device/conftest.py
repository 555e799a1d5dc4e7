from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from tests.gate import HANGS

OnDevice = Callable[..., Any]


@pytest.fixture(scope="session")
def in_device_process() -> Iterator[OnDevice]:
    """Calls functions in a process that has the pretend device: it would not leave this one, nor any test after."""
    # Where torch is too old for the device, it is the modules of tests that are skipped by this, not this file.
    from tests.device.watched import guarded, start

    with ProcessPoolExecutor(1, get_context("spawn"), initializer=start) as pool:
        yield lambda function, *arguments: pool.submit(guarded, function, arguments).result(HANGS)
