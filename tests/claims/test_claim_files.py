import pytest
from omegaconf import OmegaConf

from overparam.claims.claim import FOLDER, load_claim
from overparam.errors import ConfigError
from tests.conftest import ROOT

CLAIMS = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", CLAIMS, ids=lambda path: path.stem)
def test_every_claim_is_complete_and_has_its_parts(path):
    claim = load_claim(path)
    assert path.stem.startswith(f"{claim.number:02d}_")
    assert claim.rule.startswith(("before", "bounds before", "after", "not on record as before"))
    assert f"--only {path.stem}" in path.read_text()


def test_all_nineteen_are_there():
    assert {load_claim(path).number for path in CLAIMS} == set(range(1, 20))


def test_every_experiment_beside_the_papers_is_a_claims():
    used = {load_claim(path).source.get(key) for path in CLAIMS for key in ("experiment", "after")}
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
    says: minus the distance of test MSE / noise from 1
    _target_: overparam.claims.effects.closeness
    value: test_over_noise
    of: {p: 70}
    target: 1.0
    above: -0.1
figure: {x: p, y: [test_over_noise]}
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": None}, "must have the keys claim, effects, figure, number, rule, source, and no others"),
        ({"extra": 1}, "and no others"),
        ({"number": "four"}, "number must be an integer, got 'four'"),
        ({"effects": {}}, "effects must be a mapping with something in it"),
        ({"source": "runs"}, "source must be a mapping"),
        ({"source._target_": "overparam.claims.sources.nothing"}, "sources.nothing cannot be imported"),
        ({"source.experiment": "nowhere"}, "there is no experiment nowhere"),
        ({"effects.benign.above": None}, "effects.benign lacks above"),
        ({"effects.benign.above": "high"}, "effects.benign.above must be a number, got 'high'"),
        ({"effects.benign.tagret": 1}, "closeness: got an unexpected keyword argument 'tagret'"),
        ({"effects.benign.target": None}, "closeness: missing a required argument: 'target'"),
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


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "just words", ""])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "other.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        load_claim(path)
    with pytest.raises(ConfigError, match="there is no claim nowhere"):
        load_claim(FOLDER / "nowhere.yaml")
