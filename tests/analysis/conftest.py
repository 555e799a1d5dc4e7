import pytest
from fabricated import fabricate


@pytest.fixture
def sweep(tmp_path):
    """Six runs: widths 4, 16 and 64 with two seeds each."""
    folder = tmp_path / "sweep"
    for width, train, test in ((4, 0.3, 0.2), (16, 0.05, 0.4), (64, 0.0, 0.1)):
        for seed in (0, 1):
            fabricate(folder, width=width, seed=seed, train_error=train, test_error=test + 0.01 * seed)
    return folder
