"""Every closed form of configs/theory/ under a small measurement, and the command that writes the page."""

import math
import runpy
import sys

import pytest

from overparam.exact.comparison import Residual, compare, entry_files, load_entry, measure
from tests.conftest import ROOT

# What makes each of them small enough for a test; the page has more seeds, places and units.
SMALL = {
    "catapult": {"seeds": 8, "width": 512},
    "deep_linear": {"seeds": 8, "times": [0.4, 0.8], "step": 1e-3},
    "kernel_convergence": {"seeds": 32, "widths": [16, 64, 256]},
    "max_margin": {"seeds": 16, "steps": [300, 1000]},
    "mei_montanari": {"seeds": 8, "dim": 150, "features_per_sample": [0.5, 1, 2], "curve": []},
    "ridge": {"seeds": 16, "n": 100, "ratios": [0.5, 1, 2], "curve": []},
    "ridgeless": {"seeds": 32, "n": 60, "ratios": [0.5, 0.9, 1.25, 2], "curve": []},
    "spectral_bias": {"seeds": 16, "width": 512, "points": 128, "frequencies": [1, 2, 3, 4]},
    "stability": {"seeds": 4, "steps": 300, "halvings": 6},
    "tangent_kernel": {"seeds": 32, "width": 128},
    "two_scale": {"seeds": 3, "n": 2000, "max_steps": 300, "per_decade": 2},
}


def test_every_entry_is_held():
    assert SMALL.keys() == entry_files().keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_closed_form_is_within_three_standard_errors(name):
    knobs = dict(SMALL[name])
    entry = load_entry(entry_files()[name])
    small = entry.model_copy(update={"seeds": knobs.pop("seeds"), "measured": {**entry.measured, **knobs}})
    found = measure({name: small}, processes=1)[name]
    measured = [each for each in found if each.measured is not None]
    assert measured
    off = [f"{each.series} {each.x}: {each.residual:.1f}" for each in measured if not each.agrees]
    assert off == []
    assert all(each.error > 0 for each in measured)  # exact agreement would be of one thing with itself


def test_residuals_by_hand():
    entry = load_entry(entry_files()["ridge"])
    curve = {"penalty": 1.0, "p_per_n": 3, "measured": None, "theory": 5.0}
    rows = [
        [{"penalty": 1.0, "p_per_n": 2, "measured": 3.0 + noise, "theory": 2.0 + noise / 2}, curve]
        for noise in (-1.0, 1.0)
    ]
    first, second = compare("ridge", entry, rows)
    # measured - theory is .5 and 1.5: of mean 1 and standard error .5
    assert (first.measured, first.theory, first.residual, first.agrees) == (
        3.0,
        2.0,
        pytest.approx(2.0),
        True,
    )
    assert (second.measured, second.theory, second.agrees) == (None, 5.0, True)


@pytest.mark.parametrize(
    ("measured", "error", "agrees"),
    [
        (1.29, 0.1, True),
        (1.31, 0.1, False),
        (0.69, 0.1, False),
        (1.0, 0.0, True),
        (1.1, 0.0, False),
        (math.nan, 0.1, False),
    ],
)
def test_three_standard_errors_are_the_bound(measured, error, agrees):
    assert Residual("a", None, 0, 1.0, measured, error).agrees is agrees


OWN = """
says: A coin
source: by hand
measured: {{_target_: tests.exact.test_comparison.coin, theory: {theory}}}
seeds: 20
shares: its tosses are of one coin
x: toss
xlabel: toss
ylabel: heads
"""


def coin(seed: int, theory: float) -> list[dict]:
    return [{"toss": toss, "measured": float((seed // toss) % 2), "theory": theory} for toss in (1, 2)]


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("overparam.sweeps.slots.cpu_count", lambda: 1)
        monkeypatch.setattr(sys, "argv", ["theory.py", *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "scripts" / "theory.py"), run_name="__main__")
        output = capsys.readouterr()
        return end.value.code, output.out + output.err

    return run


def test_the_command_writes_the_page_of_a_closed_form_of_ones_own(command, tmp_path):
    (tmp_path / "coin.yaml").write_text(OWN.format(theory=0.5))
    code, output = command("--only", "coin.yaml")
    assert code == 0
    assert "2 of 2 measurements are within three standard errors of theory" in output
    page = (tmp_path / "logs" / "theory" / "theory.md").read_text()
    assert "| toss 1 | 0.5 | 0.5 | 0.11 | +0.00 | agrees |" in page
    assert "`coin`, by hand; 20 seeds; its tosses are of one coin." in page
    assert "theory.png" in page
    assert {path.name for path in (tmp_path / "logs" / "theory").iterdir()} == {
        *("theory.md", "theory.csv", "theory.png", "theory.pdf")
    }


def test_a_row_that_differs_fails_the_command(command, tmp_path):
    (tmp_path / "coin.yaml").write_text(OWN.format(theory=0.9))
    code, output = command("--only", "coin.yaml")
    assert code == 1
    assert "0 of 2 measurements" in output
    assert "DIFFERS" in (tmp_path / "logs" / "theory" / "theory.md").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no closed form mine: there are catapult"),
        (OWN.format(theory=0.5) + "sead: 1\n", "mine.yaml: sead: Extra inputs are not permitted"),
        (
            OWN.format(theory=0.5).replace("seeds: 20", "seeds: 1"),
            "mine.yaml: seeds: must be greater than or equal to 2",
        ),
        (OWN.format(theory="high"), "mine.yaml: measured.theory must be a number, got 'high'"),
        (OWN.format(theory="0.5, heads: 1"), "mine.yaml: got an unexpected keyword argument 'heads'"),
        (OWN.format(theory=0.5).replace("coin,", "no_coin,"), "mine.yaml: measured._target_="),
        ("says: [", "mine.yaml is not YAML"),
        ("- 1", "mine.yaml: an entry: must be a valid dictionary"),
    ],
)
def test_a_mistake_is_one_line(command, tmp_path, text, message):
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    code, output = command("--only", "mine.yaml")
    assert code == 2
    assert output.startswith("error: ")
    assert message in output
    assert len(output.strip().splitlines()) == 1
    assert not (tmp_path / "logs").exists()
