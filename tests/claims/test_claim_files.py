import pytest
from omegaconf import OmegaConf

from overparam.claims.claim import claim_files, load_claim
from overparam.errors import ConfigError
from tests.conftest import ROOT

CLAIMS = list(claim_files().values())


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_every_claim_is_complete_and_has_its_parts(path):
    claim = load_claim(path)
    assert path.stem.startswith(f"{claim.number:02d}_")
    assert claim.rule.startswith(("before", "bounds before", "after", "not on record as before"))
    assert f"--only {path.stem}" in path.read_text()


def test_the_first_nineteen_are_there():
    assert {load_claim(path).number for path in CLAIMS} >= set(range(1, 20))


def test_every_experiment_beside_the_papers_is_a_claims():
    used = {
        load_claim(path).source.model_extra.get(key) for path in CLAIMS for key in ("experiment", "after")
    }
    experiments = {path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml")}
    assert experiments - used == {"model_wise_cnn", "model_wise_resnet"}


GOOD = """
number: 99
claim: Isotropic interpolation is benign
rule: before the runs
source:
  _target_: overparam.claims.sources.exact
  model: overparam.exact.ridge.min_norm_interpolation
  spectra: [{n: 60, k: 0, p: 70}]
effects:
  benign:
    says: test MSE / noise
    _target_: overparam.claims.effects.difference
    value: test_over_noise
    of: {p: 70}
    above: 0.9
    below: 1.1
figure: {x: p, y: [test_over_noise]}
"""
RUNS = {"_target_": "overparam.claims.sources.runs"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": None}, "rule is missing"),
        ({"clam": 1}, "there is no key clam; did you mean claim?"),
        ({"number": "four"}, "number: must be a valid integer, got 'four'"),
        ({"number": True}, "number: must be a valid integer, got True"),
        ({"effects": {}}, "effects: Dictionary should have at least 1 item"),
        ({"source": "runs"}, "source: must be a valid dictionary"),
        ({"effects.benign": "high"}, "effects.benign: must be a valid dictionary"),
        ({"source._target_": None}, "source._target_ is missing"),
        ({"source._target_": "overparam.claims.sources.nothing"}, "sources.nothing cannot be imported"),
        (
            {"source.dims": 3},
            "source.model: min_norm_interpolation: got an unexpected keyword argument 'dims'",
        ),
        ({"source.model": "overparam.exact.nothing"}, "exact.nothing cannot be imported"),
        ({"source._target_": RUNS["_target_"]}, "source: runs: missing a required argument: 'experiment'"),
        ({"source": RUNS | {"experiment": "nowhere"}}, "source.experiment: there is no experiment nowhere"),
        ({"source": RUNS | {"experiment": 3}}, "source.experiment must be a text, got 3"),
        (
            {"effects.benign.above": None, "effects.benign.below": None},
            "effects.benign needs a bound, above or below or both",
        ),
        ({"effects.benign.above": 1.1}, "effects.benign needs above to be less than below"),
        ({"seeds": 1}, "seeds: must be greater than or equal to 2"),
        (
            {"effects.benign.value": "test_error", "effects.benign.above": 1.0},
            "benign tests nothing, it could never hold",
        ),
        (
            {"effects.benign.minus": {"p": 70}},
            "could never hold: its mean is always 0; if that is not so, state its",
        ),
        ({"effects.benign.smallest": 0.1}, "effects.benign.smallest needs sequential"),
        ({"sequential": {"pilot": 5, "budget": 9}}, "effects.benign needs smallest"),
        ({"sequential": {"pilot": 5, "budget": 4}}, "sequential.budget must be seeds=5 or more, got 4"),
        ({"sequential": {"pilot": 2, "budget": 9}}, "sequential.pilot: must be greater than or equal to 3"),
        ({"effects.benign.above": "high"}, "effects.benign.above: must be a valid number, got 'high'"),
        ({"effects.benign.value": 3}, "effects.benign.value must be a text, got 3"),
        ({"figure.y": "p"}, "figure.y must be"),
        ({"effects.benign.minsu": 1}, "difference: got an unexpected keyword argument 'minsu'"),
        ({"effects.benign.of": None}, "difference: missing a required argument: 'of'"),
        ({"figure.z": "p"}, "unexpected keyword argument 'z'"),
    ],
)
def test_a_file_that_is_no_claim_is_refused_in_one_line(tmp_path, change, message):
    claim = OmegaConf.create(GOOD)
    for key, value in change.items():
        if value is None:
            parent, _, name = key.rpartition(".")
            del (OmegaConf.select(claim, parent) if parent else claim)[name]
        else:
            OmegaConf.update(claim, key, value, merge=False)
    path = tmp_path / "99_bad.yaml"
    OmegaConf.save(claim, path)
    with pytest.raises(ConfigError, match=r"99_bad\.yaml") as error:
        load_claim(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_digest_tells_rules_apart_and_not_their_words(tmp_path):
    def digest(change):
        claim = OmegaConf.create(GOOD)
        for key, value in change.items():
            OmegaConf.update(claim, key, value)
        OmegaConf.save(claim, tmp_path / "claim.yaml")
        return load_claim(tmp_path / "claim.yaml").digest

    same = [{}, {"claim": "other words"}, {"effects.benign.says": "other words"}, {"figure.ylabel": "y"}]
    others = [
        *({"effects.benign.below": 1.2}, {"effects.benign.of": {"n": 60}}, {"seeds": 6}),
        *({"source.noise": 2.0}, {"effects.benign.value": "theory"}),
    ]
    assert len({digest(change) for change in same}) == 1
    assert len({digest(change) for change in others}) == len(others)
    assert digest({}) not in {digest(change) for change in others}


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "just words", ""])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "other.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        load_claim(path)
    with pytest.raises(ConfigError, match=r"there is no claim nowhere in .*: there are 01_model_wise,"):
        load_claim(tmp_path / "nowhere.yaml")
