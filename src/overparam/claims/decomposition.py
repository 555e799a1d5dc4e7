"""Test error taken apart into bias and variance, the variance into that of data, of initialization, and of both."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from overparam.analysis.collect import collect
from overparam.claims.sources import Source, Sweeps
from overparam.claims.trained import Setup, train_sweeps
from overparam.errors import ConfigError
from overparam.ranges import PositiveInt
from overparam.runs.identity import is_config_key
from overparam.training.finished import load_run

DATA, INIT = "data.seed", "seed"


def decomposed(
    setup: Setup, experiment: str, draws: Mapping[str, PositiveInt], along: str, sweeps: Sweeps | None = None
) -> Source:
    """Train an experiment on several training sets from several initializations, and take its risk apart.

    The risk is the squared distance between class probabilities (outputs, for regression) and the clean test targets,
    one-hot, averaged over the test set. A row is one value of `along`, for one of the ledger's seeds: its own training
    sets times initializations, see `components`; and `test_error` and `train_error`, means over them.

    Args:
        setup: where, over which seeds, and with whose configs.
        experiment: a file of configs/experiment/, whose data.seed draws all of the data, and whose seed none.
        draws: how many training sets ("data.seed") and initializations ("seed") a seed of the ledger stands for.
        along: the config key that is swept, such as model.width.
        sweeps: overrides by the name of a sweep; None is the experiment as it is.

    Raises:
        ConfigError: if there are fewer than two of one.
    """
    if set(draws) != {DATA, INIT} or min(draws.values()) < 2:
        raise ConfigError(f"source.draws must give {DATA} and {INIT} two values or more, got {dict(draws)}")
    named = sweeps or {"": []}
    parts = train_sweeps(setup, experiment, list(named.values()), draws=draws)
    places = [(sweep, seed) for sweep in named for seed in setup.seeds]
    rows: list[dict[str, Any]] = []
    for (sweep, replicate), directories in zip(places, parts, strict=True):
        for (value,), runs in collect(*directories).group_by(along, maintain_order=True):
            ordered = runs.sort(DATA, INIT)
            loaded = [load_run(directories[0].parent / identity) for identity in ordered["identity"]]
            outputs = torch.stack([run.predict(run.test.x).double() for run in loaded])
            y, is_class = loaded[0].test.y, not loaded[0].test.y.is_floating_point()
            target = F.one_hot(y, outputs.shape[-1]).double() if is_class else y.double()
            outputs = outputs.softmax(-1) if is_class else outputs
            shape = (draws[DATA], draws[INIT])
            found = components(outputs.unflatten(0, shape), target)
            means = runs.select(pl.col("test_error", "train_error", "params").mean()).row(0, named=True)
            config = {key: ordered[key][0] for key in ordered.columns if is_config_key(key)}
            rows.append({**config, **means, **found, "sweep": sweep, "seed": replicate, along: value})
    used = [directory.name for directories in parts for directory in directories]
    return pl.DataFrame(rows, infer_schema_length=None), list(dict.fromkeys(used))


def components(outputs: Tensor, target: Tensor) -> dict[str, float]:
    """Return bias and variances of predictions, each an unbiased estimate, in mean squared distance over samples.

    Predictions are f(d, i) = mean + data_d + init_i + both_di, a two-way layout with random effects, whose variances
    its mean squares give (Yang et al. 2020, arXiv:2002.11328, estimate theirs from disjoint training sets likewise; the
    parts are those of Adlam & Pennington 2020, arXiv:2011.03321). An estimate may be below zero.

    Args:
        outputs: [D, I, N, K], of D training sets times I initializations.
        target: [N, K].

    Returns:
        `risk`, and what it is the sum of: `squared_bias`, `variance_data`, `variance_init`, `variance_both` (what
        neither does alone); `variance`, the sum of these three.
    """
    data, inits = outputs.shape[:2]
    samples = outputs.shape[2]
    mean, by_data, by_init = outputs.mean((0, 1)), outputs.mean(1), outputs.mean(0)
    rest = outputs - by_data[:, None] - by_init[None] + mean

    def square(deviations: Tensor) -> float:
        return float(deviations.square().sum()) / samples

    both = square(rest) / ((data - 1) * (inits - 1))
    of_data = (inits * square(by_data - mean) / (data - 1) - both) / inits
    of_init = (data * square(by_init - mean) / (inits - 1) - both) / data
    risk, variance = square(outputs - target) / (data * inits), of_data + of_init + both
    return {
        **{"risk": risk, "squared_bias": risk - variance, "variance": variance},
        **{"variance_data": of_data, "variance_init": of_init, "variance_both": both},
    }
