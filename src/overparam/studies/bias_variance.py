"""The squared error of trained networks, split into bias and variance, and the variance by where it comes from."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.data.module import Split
from overparam.errors import ConfigError, counted
from overparam.exact.bias_variance import products
from overparam.training.finished import FinishedRun
from overparam.training.objective import is_plain_cross_entropy

# What one network of a block was drawn with: its data, and itself.
Draw = tuple[Any, Any]


def bias_variance(runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """Split the test error of networks that were trained on several training sets, from several initializations each.

    The squared error of outputs against targets (one-hot for classes; outputs are class probabilities where the loss
    is cross entropy), averaged over test samples and outputs. Its mean over everything that is drawn is the squared
    bias and the components of a random-effects analysis of variance, each estimated without bias (Yang et al. 2020,
    arXiv:2002.11328, section 3; see `overparam.exact.bias_variance`). With label noise, which follows `data.seed`, its
    part is in those of the data.

    Args:
        runs: finished runs that differ in `data.seed` and `seed`. Those whose `data.seed` were trained with the same
            values of `seed` are a block, with at least two of each.

    Returns:
        A row a block: `data.seed`, its first; `training_sets` and `initializations`, how many; `test_mse`; its parts
        `bias`, squared, and `variance`; of that `by_data`, `by_init` and `by_both`, which takes both to vary, and
        `init_share`, the share that an average over initializations loses, `by_init` and `by_both`; `log2_variance`;
        these two are null where the variance is not above 0.

    Raises:
        ConfigError: if a block has too few runs, or its training sets share samples, with each other or with the test
            set, which is that of its first run.
    """
    return [_row(block) for block in _blocks(runs)]


def _blocks(runs: Sequence[FinishedRun]) -> list[dict[Draw, FinishedRun]]:
    """Return the runs of each block, by the draw of their data and their own."""
    of: dict[Any, dict[Any, FinishedRun]] = {}
    for run in sorted(runs, key=lambda run: (run.cfg.data.seed, run.cfg.seed)):
        of.setdefault(run.cfg.data.seed, {})[run.cfg.seed] = run
    blocks: dict[frozenset[Any], dict[Draw, FinishedRun]] = {}
    for data_seed, by_seed in of.items():
        block = blocks.setdefault(frozenset(by_seed), {})
        block.update({(data_seed, seed): run for seed, run in by_seed.items()})
    return list(blocks.values())


def _row(block: dict[Draw, FinishedRun]) -> dict[str, Any]:
    sets, inits = (list(dict.fromkeys(draws)) for draws in zip(*block, strict=True))
    first = block[sets[0], inits[0]]
    if len(sets) < 2 or len(inits) < 2:
        raise ConfigError(
            f"this study needs two values of data.seed or more that were trained with the same two of seed or more: "
            f"{first.identity} and those like it have {counted(len(sets), 'value')} of data.seed with "
            f"{len(inits)} of seed"
        )
    _check_apart({f"data.seed={draw}": block[draw, inits[0]].train for draw in sets}, first.test)
    y = first.test.y
    values = torch.stack([torch.stack([_outputs(block[i, k], first.test) for k in inits]) for i in sets])
    targets = y if y.is_floating_point() else F.one_hot(y, values.shape[3])
    total, same_data, same_init, bias = (products(values - targets) / values.shape[3]).tolist()
    variance = total - bias
    return {
        "data.seed": sets[0],
        **{"training_sets": len(sets), "initializations": len(inits), "test_mse": total, "bias": bias},
        **{"by_data": same_data - bias, "by_init": same_init - bias},
        **{"by_both": total - same_data - same_init + bias, "variance": variance},
        "init_share": (total - same_data) / variance if variance > 0 else None,
        "log2_variance": math.log2(variance) if variance > 0 else None,
    }


def _outputs(run: FinishedRun, test: Split) -> Tensor:
    outputs = run.predict(test.stored).double()
    return outputs.softmax(1) if is_plain_cross_entropy(run.loss) else outputs


def _check_apart(training: dict[str, Split], test: Split) -> None:
    """Refuse training sets that share samples, for then a part of the variance counts as bias."""
    seen: dict[bytes, str] = dict.fromkeys(_samples(test), "the test set")
    for name, split in training.items():
        rows = _samples(split)
        shared = [seen[row] for row in rows if row in seen]
        if shared:
            raise ConfigError(
                f"this study needs training sets without common samples: that of {name} and {shared[0]} have "
                f"{counted(len(shared), 'sample')} in common; take data that are drawn anew for each data.seed, such "
                "as data=mnist1d"
            )
        seen.update(dict.fromkeys(rows, name))


def _samples(split: Split) -> list[bytes]:
    return [row.tobytes() for row in split.stored.cpu().numpy()]
