import pytest
import torch

from tests.conftest import compose_config


def pytest_collection_modifyitems(items):
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="there is no CUDA GPU here"))


@pytest.fixture
def compose(tmp_path):
    """Composes a run of a few seconds on the GPU; with `paths.logs`, one of two that are compared."""

    def build(*overrides):
        common = ("data.n_train=60", "trainer.max_steps=40", "logger=local", "trainer.accelerator=gpu")
        return compose_config(*common, f"paths.logs={tmp_path}", *overrides)

    return build
