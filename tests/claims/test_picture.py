"""The figure of a claim: the points that it compares, its bounds and its verdict, with the runs and without them."""

import polars as pl
import pytest
from omegaconf import OmegaConf

from overparam.claims import effects, picture
from overparam.claims.claim import Claim, claim_files, load_claim
from overparam.claims.ledger import read_entries
from overparam.claims.picture import compared, draw, read_table, write_table
from overparam.claims.publish import publish
from overparam.claims.verdict import Effect
from tests.claims.test_ledger import judged, ledger  # noqa: F401

WIDTHS, NOISES = (2, 4, 8, 16, 32), (0.0, 0.2)
ROWS = [
    {"width": w, "noise": p, "seed": s, "error": p + 1 / w + 0.01 * s, "gain": w * p, "spare": "unused"}
    for w in WIDTHS
    for p in NOISES
    for s in range(3)
]
EFFECT = {"_target_": "overparam.claims.effects.difference", "says": "what it is", "value": "error"}


def claim(**changed):
    text = {
        "number": 1,
        "claim": "a claim",
        "rule": "before the runs",
        "source": {"_target_": "overparam.claims.sources.runs"},
        "effects": {
            "fall": {
                **EFFECT,
                "of": {"width": 2, "noise": 0.2},
                "minus": {"width": 32, "noise": 0.2},
                "above": 0.1,
            },
            "best": {**EFFECT, "of": {"noise": 0.0}, "pick": "min", "below": 0.01},
            "stretch": {
                **EFFECT,
                "of": {"width": {"from": 2, "to": 16}, "noise": 0.0},
                "pick": "mean",
                "above": 0.0,
            },
            "unseen": {**EFFECT, "value": "gain", "of": {"width": 8, "noise": 0.2}, "above": 0.0},
        },
        "figure": {"x": "width", "y": ["error"], "series": ["noise"]},
    }
    return Claim.model_validate({**text, **changed})


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Return what draws a claim, and returns its figure."""
    figures = []
    add = picture.add_strips
    monkeypatch.setattr(
        picture, "add_strips", lambda figure, *rest: (figures.append(figure), add(figure, *rest))
    )

    def drawn(claim, table):
        measured = [
            Effect(name, p.says, p.above, p(pl.DataFrame(ROWS)), p.below) for name, p in claim.effects.items()
        ]
        draw(claim, measured, table, tmp_path / "claim.png")
        assert (tmp_path / "claim.png").stat().st_size > 10_000
        return figures[-1]

    return drawn


def letters(axes):
    """Return the letters at points of the data and along x."""
    notes = [text for text in axes.texts if text.get_text()]
    at: dict[str, list[tuple[float, float]]] = {}
    for text in notes:
        if hasattr(text, "xy"):
            at.setdefault(text.get_text(), []).append(tuple(round(place, 6) for place in text.xy))
    along = {text.get_text(): text.get_position()[0] for text in notes if not hasattr(text, "xy")}
    return at, along


def test_what_is_compared_has_its_letter_and_every_effect_its_bound_and_verdict(drawn):
    figure = drawn(claim(), pl.DataFrame(ROWS))
    curves, *strips = figure.axes
    at, along = letters(curves)
    assert at == {
        "a": [(2, 0.71), (32, 0.24125)],
        "b": [(32, 0.04125)],
        "c": [(8, 0.135)],  # of a stretch, at its middle
    }
    assert along == {"d": 8}
    assert [[tick.get_text() for tick in axes.get_xticklabels()] for axes in strips] == [
        ["0.1"],
        ["0.01"],
        ["0"],
        ["0"],
    ]
    said = [text.get_text() for text in figure.texts]
    assert said.count("does not hold") == 1  # the claim's
    assert "a  what it is" in said
    assert [text.split("\n")[1] for text in said if "±" in text] == [
        "holds",
        "does not hold",
        "holds",
        "holds",
    ]


def test_without_runs_the_stored_columns_draw_the_same(drawn, tmp_path):
    table, file = pl.DataFrame(ROWS), tmp_path / "stored.csv"
    assert read_table(file) is None
    write_table(claim(), table, file)
    stored = read_table(file)
    assert stored.columns == ["width", "noise", "seed", "error", "gain"]  # what nothing names is left out
    first, second = (letters(drawn(claim(), t).axes[0]) for t in (table, stored))
    assert first == second


@pytest.mark.parametrize("changed", [{}, {"figure": None}])
def test_effects_are_drawn_alone_where_there_is_no_curve(drawn, changed):
    figure = drawn(claim(**changed), pl.DataFrame(ROWS) if changed else None)
    assert len(figure.axes) == 4
    assert figure.texts[0].get_text() == "a claim"


@pytest.mark.parametrize("pick", [None, "mean", "min", "max", "least gain"])
def test_the_rows_compared_are_those_that_an_effect_takes_its_numbers_from(pick):
    table = pl.DataFrame(ROWS)
    where = {"noise": 0.2, **({} if pick else {"width": 4})}
    rows = compared(table, "error", where, pick)
    means = rows.group_by("seed").agg(pl.col("error").mean()).sort("seed")["error"]
    assert means.to_list() == pytest.approx(effects.cell(table, "error", where, pick))


def test_publishing_draws_from_the_table_or_without_it(judged, tmp_path):  # noqa: F811
    names = ["04_random_features", "07_program", "16_vacuous_bounds"]
    found = {entry.name: entry for entry in read_entries(judged)}
    for name in names[:2]:
        (judged / found[name].figure).unlink()
    columns = {"seed": [0, 1], "width": [2, 2], "penalty": [0.0, 0.1], "features_per_sample": [0.1, 0.1]}
    columns |= {"test_mse": [1.0, 2.0], "theory": [1.0, 1.0], "spare": [0, 0]}
    pl.DataFrame(columns).write_csv(judged / f"{names[0]}.csv")
    publish(judged, tmp_path)
    folder = tmp_path / ".github" / "figures" / "claims"
    assert all((folder / found[name].figure).stat().st_size > 10_000 for name in names[:2])
    assert read_table(folder / f"{names[0]}.csv").columns == [key for key in columns if key != "spare"]
    assert not (folder / f"{names[1]}.csv").exists()
    copied = found[names[2]].figure  # of those that neither is missing of nor has a table
    assert (folder / copied).read_bytes() == (judged / copied).read_bytes()


def test_every_column_that_a_claim_of_the_lab_compares_is_stored(tmp_path):
    """Its effects are the same from the stored table, with every column that they name."""
    for path in claim_files().values():
        read = load_claim(path)
        text = OmegaConf.to_container(OmegaConf.load(path))
        for effect in text["effects"].values():
            named = {
                effect["value"],
                *effect.get("of", {}),
                *effect.get("minus", {}),
                *effect.get("over", {}),
            }
            write_table(read, pl.DataFrame({key: [1] for key in (*named, "seed")}), tmp_path / "t.csv")
            assert {*read_table(tmp_path / "t.csv").columns} == {*named, "seed"}
