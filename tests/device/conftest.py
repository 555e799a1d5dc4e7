from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from tests.device.watched import guarded, start
from tests.gate import HANGS

OnDevice = Callable[..., Any]


@pytest.fixture(scope="session")
def in_device_process() -> Iterator[OnDevice]:
    """Calls functions in a process that has the pretend device: it would not leave this one, nor any test after."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=start) as pool:
        yield lambda function, *arguments: pool.submit(guarded, function, arguments).result(HANGS)
