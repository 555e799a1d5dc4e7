"""A knob of one's own that names weights: they count by what they are, in a sweep too."""

import torch

from tests.forks.conftest import FEW, Lab

FILES = {
    "pulled.py": """
        import torch

        from overparam.training.module import SupervisedModule
        from overparam.training.weights import Weights


        class Pulled(SupervisedModule):
            '''Stays near given weights.'''

            def __init__(self, *, anchor: Weights, **common):
                super().__init__(**common)
                self.anchor = torch.load(anchor["weights"], weights_only=True)

            def training_loss(self, x, y):
                distance = sum((w - self.anchor[name]).square().sum() for name, w in self.net.named_parameters())
                return super().training_loss(x, y) + distance
        """,
    # It knows nothing of the lab, and gets a path.
    "theirs.py": """
        import torch

        def distance(subject, file):
            anchor = torch.load(file, weights_only=True)
            net = subject.net.named_parameters()
            return {"distance": sum((w - anchor[name]).square().sum().item() for name, w in net)}
        """,
    "configs/module/pulled.yaml": "_target_: pulled.Pulled\nanchor: ???\n",
    "configs/anchor/file.yaml": "weights: ???\nsha256: null\n",
    "configs/measures/distance.yaml": """
        distance:
          _target_: theirs.distance
          _partial_: true
          file: ${anchor.weights}
        """,
}


def test_weights_that_changed_are_another_run(lab: Lab) -> None:
    lab.write(FILES)
    first = lab.train(*FEW)
    weights = first.directory / "weights.pt"
    pulled = (*FEW, "seed=0,1", "module=pulled", f"module.anchor={first.directory}")
    measured = (*FEW, "measures=[distance]", "+anchor=file", f"anchor.weights={weights}", "seed=0,1")
    for name, sweep in (("pulled", pulled), ("measured", measured)):
        runs, said = lab.sweep(*sweep, name=name)
        assert len(runs) == 2
        assert "2 runs: 0 finished, 2 to train" in said
        _, said = lab.sweep(*sweep, name=name)
        assert "2 runs: 2 finished, 0 to train" in said
    net = torch.load(weights, weights_only=True)
    torch.save({key: value + 1e-3 for key, value in net.items()}, weights)
    for name, sweep in (("pulled", pulled), ("measured", measured)):
        runs, said = lab.sweep(*sweep, name=name)
        assert "2 runs: 0 finished, 2 to train" in said
        assert len(runs) == 4
        assert len({run.summary.get("distance", run.summary["train_loss"]) for run in runs}) == 4
