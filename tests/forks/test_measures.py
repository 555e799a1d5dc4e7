"""A measure of one's own: a function of the subject; a torchmetrics metric by `_target_`."""

import math

import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from overparam.training.finished import load_run
from tests.forks.conftest import FEW, Lab

MEASURES = {
    "my_measures.py": """
        import torch


        def confidence(subject, samples=None):
            with torch.no_grad():
                outputs = subject.net(subject.inputs(subject.test, samples))
            return {"confidence": outputs.softmax(1).amax(1).mean().item(), "inputs": subject.input_shape[-1]}


        def broken(subject):
            raise RuntimeError("no such thing as a bound")
        """,
    "configs/measures/confidence.yaml": """
        confidence:
          _target_: my_measures.confidence
          _partial_: true
          samples: null
          at: evaluations
        """,
    "configs/measures/broken.yaml": """
        broken:
          _target_: my_measures.broken
          _partial_: true
        """,
    "configs/measures/ece.yaml": """
        ece:
          _target_: torchmetrics.classification.MulticlassCalibrationError
          n_bins: 10
          at: evaluations
        """,
}


def test_calibration_error_a_function_and_one_that_fails(lab: Lab) -> None:
    lab.write(MEASURES)
    runs, output = lab.sweep(
        *FEW, "measures=[ece,confidence,broken,norms]", "model.width=4,8", "logger=wandb"
    )
    assert len(runs) == 2
    assert "measures" in output
    for run in runs:
        loaded = load_run(run.directory)
        outputs, y = loaded.net(loaded.test.x), loaded.test.y
        ece = multiclass_calibration_error(outputs, y, num_classes=10, n_bins=10).item()
        found = run.summary
        assert found["ece"] == pytest.approx(ece, rel=1e-4)
        assert found["confidence"] == pytest.approx(outputs.softmax(1).amax(1).mean().item(), rel=1e-5)
        assert found["inputs"] == 8
        assert math.isfinite(found["weight_norm"])
        assert found["broken"] is None
        assert math.isnan(run.rows[-1]["broken"])
        (warning,) = [warning for warning in found["warnings"] if "broken" in warning]
        assert "no such thing as a bound" in warning
        assert all(0 <= row["ece"] <= 1 for row in run.rows)
        assert len({row["confidence"] for row in run.rows}) == len(run.rows)
        assert run.in_wandb("ece")
        assert run.in_wandb("confidence")
    table = lab.reported()
    assert sorted(table["ece"]) == sorted(run.summary["ece"] for run in runs)
    # Measuring changes nothing of what is measured.
    plain = lab.train(*FEW, f"model.width={runs[0].config.model.width}")
    assert all(torch.equal(w, runs[0].weights[name]) for name, w in plain.weights.items())


def test_a_knob_of_a_metric(lab: Lab) -> None:
    lab.write(MEASURES)
    coarse = lab.train(*FEW, "measures=ece", "measures.ece.n_bins=2")
    fine = lab.train(*FEW, "measures=ece", "measures.ece.n_bins=50")
    loaded = load_run(coarse.directory)
    outputs, y = loaded.net(loaded.test.x), loaded.test.y
    for run, bins in ((coarse, 2), (fine, 50)):
        expected = multiclass_calibration_error(outputs, y, num_classes=10, n_bins=bins).item()
        assert run.summary["ece"] == pytest.approx(expected, rel=1e-4)
    assert coarse.summary["ece"] != fine.summary["ece"]
