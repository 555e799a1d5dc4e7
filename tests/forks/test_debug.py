"""`debug=fast` with whatever a lab adds, each row of the contract once."""

import pytest

from tests.forks.conftest import Lab
from tests.forks.test_callbacks import CALLBACKS
from tests.forks.test_data import FOLDER, write_images
from tests.forks.test_training_rules import LIT, MIXUP

FILES = {
    "parts.py": """
        import lightning as L
        import torch
        import torch.nn.functional as F
        from torch import nn
        from torch.utils.data import DataLoader, IterableDataset

        from overparam.data.module import Pool, PoolDataModule


        class Net(nn.Module):
            def __init__(self, input_shape, num_outputs, width):
                super().__init__()
                self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.Linear(width, num_outputs))

            def forward(self, x):
                return self.layers(x)


        class Tiny(PoolDataModule):
            def __init__(self, **common):
                super().__init__(input_shape=(3,), num_outputs=2, pool_size=10, **common)

            def load(self):
                x, y = torch.randn(10, 3), torch.arange(10) % 2
                return Pool(x, y, x, y)


        class Fixed(Tiny):  # with no knob
            def __init__(self):
                super().__init__()


        class Numbers(IterableDataset):
            def __iter__(self):
                while True:
                    y = torch.randint(2, ())
                    yield torch.randn(3) + y, y


        class Endless(L.LightningDataModule):
            n_train, num_outputs = 1000, 2

            def train_dataloader(self):
                return DataLoader(Numbers(), 8)

            test_dataloader = val_dataloader = train_dataloader


        def focal(outputs, y):
            loss = F.cross_entropy(outputs, y, reduction="none")
            return (1 - (-loss).exp()) ** 2 * loss


        def weights(subject):
            return {"weights": sum(w.abs().sum().item() for w in subject.net.parameters())}
        """,
    "configs/data/tiny.yaml": "defaults: [shared/pool@_here_, _self_]\n_target_: parts.Tiny\n",
    "configs/data/fixed.yaml": "_target_: parts.Fixed\n",
    "configs/data/endless.yaml": "_target_: parts.Endless\n",
    "configs/loss/focal.yaml": "_target_: parts.focal\n_partial_: true\n",
    "configs/measures/weights.yaml": "weights:\n  _target_: parts.weights\n  _partial_: true\n",
    "configs/augmentation/strong.yaml": "std: 1.0\n",
}


@pytest.mark.parametrize(
    ("choices", "samples"),
    [
        (["model=mlp", "seed=1"], 40),
        (["module=my_mixup"], 40),
        (["module=lit"], 40),
        (["loss=focal", "optimizer=sgd", "scheduler=warmup_cosine"], 40),
        (["data=tiny"], 10),
        (["data=tiny", "data.n_train=4"], 4),
        (["data=fixed"], 10),
        (["data=pictures"], 60),
        (["data=endless", "callbacks=[average]"], 1000),
        (["data=endless", "module=lit"], 1000),
        (["callbacks=[count,stop,best]", "data.held_out=100"], 40),
        (["logger=[csv,tensorboard]"], 40),
        (["measures=[weights,norms]"], 40),
        (["+augmentation=strong", "optimizer.lr=${augmentation.std}"], 40),
        (["experiment=model_wise", "pack=auto"], 40),
    ],
    ids=str,
)
def test_every_row_of_the_contract(lab: Lab, choices: list[str], samples: int) -> None:
    write_images(lab.folder / "images")
    lab.write({**CALLBACKS, **FOLDER, **LIT, **MIXUP, **FILES})
    run = lab.train("debug=fast", *choices)
    assert run.summary["steps"] == 3
    assert run.summary["n_train"] == samples


def test_in_a_sweep(lab: Lab) -> None:
    write_images(lab.folder / "images")
    lab.write({**FOLDER, **FILES})
    runs, said = lab.sweep("debug=fast", "data=tiny,pictures,endless", "seed=0,1", "pack=auto")
    assert "6 runs: 0 finished, 6 to train" in said
    assert sorted(run.summary["n_train"] for run in runs) == [10, 10, 60, 60, 1000, 1000]
    fewer, _ = lab.sweep("debug=fast", "data.n_train=20,30", name="fewer")
    assert sorted(run.summary["n_train"] for run in fewer) == [20, 30]
