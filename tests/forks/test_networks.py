"""A network of one's own: an nn.Module and a YAML."""

import json
import math

import pytest
import torch

from overparam.errors import ConfigError
from overparam.training.finished import load_run
from tests.forks.conftest import FEW, Lab

VIT = {
    "vit.py": '''
        """A small vision transformer (Dosovitskiy et al. 2021)."""

        import torch
        from torch import nn


        class Block(nn.Module):
            def __init__(self, width, heads):
                super().__init__()
                self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
                self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
                self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

            def forward(self, x):
                y = self.norm1(x)
                x = x + self.attention(y, y, y, need_weights=False)[0]
                return x + self.mlp(self.norm2(x))


        class ViT(nn.Module):
            def __init__(self, input_shape, num_outputs, width, heads=2, depth=1, patch=4):
                super().__init__()
                channels, height, _ = input_shape
                self.patches = nn.Conv2d(channels, width, patch, patch)
                self.position = nn.Parameter(0.02 * torch.randn((height // patch) ** 2, width))
                self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(depth)])
                self.head = nn.Linear(width, num_outputs)

            def forward(self, x):
                x = self.patches(x).flatten(2).transpose(1, 2) + self.position
                return self.head(self.blocks(x).mean(1))
        ''',
    "configs/model/vit.yaml": """
        _target_: vit.ViT
        width: 8
        heads: 2
        depth: 1
        patch: 4
        """,
}


def vit_params(w):
    patches, position, head = 16 * w + w, 4 * w, 10 * w + 10
    attention, mlp, norms = 4 * w * w + 4 * w, 8 * w * w + 5 * w, 4 * w
    return patches + position + head + attention + mlp + norms


def test_a_vision_transformer(lab: Lab) -> None:
    lab.write(VIT)
    sweep = ("model=vit", "model.width=4,8", "trainer.max_steps=150", "data.n_train=60")
    (narrow, wide), output = lab.sweep(*sweep, "measures=[norms,hessian]")
    for run, width in ((narrow, 4), (wide, 8)):
        assert run.directory.name.startswith(f"vit-w{width}-")
        assert run.summary["params"] == vit_params(width)
        assert math.isfinite(run.summary["weight_norm"])
        assert run.weights["head.weight"].shape == (10, width)
    assert wide.summary["train_error"] < 0.1
    assert "Traceback" not in output
    assert set(lab.reported()["model.width"]) == {4, 8}

    lab.command("plan.py", "--config-dir", "configs", "-m", *sweep, "plan.json=plan.json")
    rows = json.loads((lab.folder / "plan.json").read_text())
    assert [row["params"] for row in rows] == [vit_params(4), vit_params(8)]
    assert all(row["memory_bytes"] > 16 * row["params"] for row in rows)

    with pytest.raises(ConfigError, match="divisible by num_heads") as error:
        lab.train(*FEW, "model=vit", "model.width=3")
    assert "\n" not in str(error.value)


def test_a_vision_transformer_among_packs(lab: Lab) -> None:
    lab.write(VIT)
    runs, _ = lab.sweep(*FEW, "model=vit", "seed=0,1,2,3", "pack=auto")
    assert len({run.summary["train_loss"] for run in runs}) == 4
    for run in runs:
        alone = lab.train(*FEW, "model=vit", f"seed={run.summary['config']['seed']}")
        assert alone.directory.name == run.directory.name
        assert run.summary["train_loss"] == pytest.approx(alone.summary["train_loss"], rel=1e-3)


def test_a_nested_target_and_a_width_asked_for_by_size(lab: Lab) -> None:
    lab.write(
        {
            "shallow.py": """
                import math

                from torch import nn


                class Shallow(nn.Module):
                    def __init__(self, input_shape, num_outputs, width, activation):
                        super().__init__()
                        self.first = nn.Linear(math.prod(input_shape), width)
                        self.activation = activation
                        self.last = nn.Linear(width, num_outputs)

                    def forward(self, x):
                        return self.last(self.activation(self.first(x.flatten(1))))
                """,
            "configs/model/shallow.yaml": """
                _target_: shallow.Shallow
                width: 8
                activation:
                  _target_: torch.nn.SiLU
                """,
        }
    )
    sizes = ("model=shallow", "model.target_params=760,3010")
    runs, _ = lab.sweep(*FEW, *sizes, "model.activation._target_=torch.nn.SiLU,torch.nn.Tanh")
    assert sorted(run.summary["params"] for run in runs) == [760, 760, 3010, 3010]
    assert len({run.summary["train_loss"] for run in runs}) == 4
    made = {type(load_run(run.directory).net.activation) for run in runs}
    assert made == {torch.nn.SiLU, torch.nn.Tanh}
    assert lab.reported()["model.activation._target_"].n_unique() == 2


def test_a_network_that_reads_numbers_from_tensors_while_it_is_built(lab: Lab) -> None:
    """As those of timm do, for the rates of stochastic depth: nothing may build it on the meta device alone."""
    lab.write(
        {
            "stochastic.py": """
                import math

                import torch
                from torch import nn


                class Stochastic(nn.Module):
                    def __init__(self, input_shape, num_outputs, width, depth=2, rate=0.5):
                        super().__init__()
                        rates = [r.item() for r in torch.linspace(0, rate, depth)]
                        self.first = nn.Linear(math.prod(input_shape), width)
                        self.rest = nn.Sequential(
                            *[nn.Sequential(nn.ReLU(), nn.Dropout(r), nn.Linear(width, width)) for r in rates]
                        )
                        self.last = nn.Linear(width, num_outputs)

                    def forward(self, x):
                        return self.last(self.rest(self.first(x.flatten(1))))
                """,
            "configs/model/stochastic.yaml": "_target_: stochastic.Stochastic\nwidth: 8\nrate: 0.5\n",
        }
    )
    runs, _ = lab.sweep(*FEW, "model=stochastic", "model.rate=0.2,0.5", "pack=auto")
    assert len({run.summary["train_loss"] for run in runs}) == 2
    assert all(run.summary["params"] == 64 * 8 + 8 + 2 * 72 + 90 for run in runs)
    sized = lab.train(*FEW, "model=stochastic", "model.target_params=1000")
    assert sized.summary["params"] == pytest.approx(1000, rel=0.05)
    said = lab.command("plan.py", "--config-dir", "configs", *FEW, "model=stochastic")
    assert "754" in said


def test_two_classes_of_one_name_are_two_networks(lab: Lab) -> None:
    subclass = """
        from overparam.models.mlp import MLP as TheirMLP


        class MLP(TheirMLP):
            def forward(self, x):
                return {} * super().forward(x)
        """
    lab.write({"tempered.py": subclass.format(2), "cooled.py": subclass.format(4)})
    (lab.folder / "configs").mkdir()
    classes = ("overparam.models.mlp.MLP", "tempered.MLP", "cooled.MLP")
    runs, _ = lab.sweep(*FEW, f"model._target_={','.join(classes)}", "pack=auto")
    assert {run.config.model._target_ for run in runs} == set(classes)
    assert len({run.summary["train_loss"] for run in runs}) == 3
    assert all(run.directory.name.startswith("mlp-w64-") for run in runs)
    (shipped,) = [run for run in runs if run.config.model._target_ == classes[0]]
    assert shipped.same_bits(lab.train(*FEW))
    assert lab.reported()["model._target_"].n_unique() == 3
