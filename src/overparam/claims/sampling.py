"""The sampling error of a test set that seeds share; an interval over seeds alone leaves it out.

Let D_j be the mean over seeds of an effect on sample j of m: for the difference of two test errors, whether the first
network is wrong on it less whether the second is. The effect is the mean D of D_j, and its standard error by the draw
of the samples is

    se = sqrt(sum_j (D_j - D)^2) / m,

paired, for the networks see the same samples. It is taken here as the deviation of the effect over bootstrap test sets
(Efron 1979), which comes to the same for a difference, and is right for effects that are none. An interval is then
sqrt(h^2 + (1.96 se)^2) to each side, with h that over seeds. The draws of seeds and samples are crossed, and what the
two do together is in both, so that it is rather too wide (Owen 2007, Annals of Applied Statistics 1). Test sets of
which seeds share a part are taken for one, with errors on the part that a seed has; those that share nothing vary with
the seed.

Without a result for every sample all that can be said of the difference of two errors p and q is

    se <= sqrt((p (1 - p) + q (1 - q)) / m),

binomial and unpaired, if samples that are hard for one network are no easier for the other. No verdict is by that.
"""

import math
import statistics
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from overparam.claims import effects
from overparam.claims.claim import Claim, Prediction
from overparam.errors import ConfigError
from overparam.training.finished import load_run

ERROR = "test_error"
BY_SAMPLE = (
    "_by_sample"  # after the name of an error, which is the mean: a list, with a number for each test sample
)
SAMPLES = "test_samples"  # a list: which samples these are
DRAWS = 200  # bootstrap test sets: the standard error is right to 5%


def with_samples(claim: Claim, table: pl.DataFrame, folders: Sequence[Path]) -> pl.DataFrame:
    """Return a claim's table with the results on each test sample that its effects need, where they can be had.

    Args:
        claim: the claim; for an effect on `test_error` its runs' networks are applied to their test sets.
        table: a row is a run, or an evaluation of one, of which the last is that of its weights; or a row of a study,
            which may have results by sample of its own.
        folders: the runs' directories.
    """
    values = {str((effect.model_extra or {}).get("value")) for effect in claim.effects.values()}
    has_own = any(value + BY_SAMPLE in table.columns for value in values)
    if "identity" not in table.columns or not (has_own or ERROR in values):
        return table
    where = {folder.name: folder for folder in folders}
    results = [where.get(identity) and results_by_sample(where[identity]) for identity in table["identity"]]
    table = table.with_columns(
        pl.Series(SAMPLES, [found and found[0] for found in results], dtype=pl.List(pl.UInt64)),
    )
    if has_own:
        return table
    is_last = pl.col("step") == pl.col("step").max().over("identity") if "step" in table.columns else True
    by_sample = pl.Series([found and found[1] for found in results], dtype=pl.List(pl.Float64))
    return table.with_columns(pl.when(is_last).then(by_sample).alias(ERROR + BY_SAMPLE))


@cache
def results_by_sample(run_dir: Path) -> tuple[list[int], list[float]] | None:
    """Return which samples a run's test set has, and 1.0 for those that its network gets wrong.

    None if it predicts no classes, or has not kept its weights.
    """
    try:
        run = load_run(run_dir)
    except ConfigError:
        return None
    if run.test.y.is_floating_point():
        return None
    wrong = run.predict(run.test.x).argmax(1) != run.test.y
    rows = run.test.stored.cpu().numpy()
    samples = [int.from_bytes(sha256(row.tobytes()).digest()[:8], "big") for row in rows]
    return samples, wrong.double().tolist()


def standard_error(effect: Prediction, table: pl.DataFrame) -> float | None:
    """Return the standard error of an effect's mean over seeds by the draw of the test samples.

    0 if no two seeds share a sample: then it varies over the seeds. None where that is not known: the effect is not on
    an error, or on one without results by sample.
    """
    value = str((effect.model_extra or {}).get("value"))
    if SAMPLES not in table.columns or value + BY_SAMPLE not in table.columns:
        return None
    results, counted = _matrices(table, value)
    if not _shared(table, counted):
        return 0.0
    total = results.shape[1]
    draws = np.random.default_rng(0).multinomial(total, np.full(total, 1 / total), DRAWS).astype(float)
    with np.errstate(invalid="ignore"):
        errors = (results @ draws.T) / (counted @ draws.T)  # [rows, DRAWS]; NaN without results
    means = []
    for column in errors.T:
        try:
            means.append(statistics.fmean(effect(table.with_columns(pl.Series(value, column)))))
        except ValueError:  # it is on a row without results
            return None
    return statistics.stdev(means)


def at_most(effect: Prediction, table: pl.DataFrame, run_dir: Path) -> float | None:
    """Return the binomial bound of the standard error of a difference of two test errors; None for another effect.

    Args:
        effect: an effect.
        table: the claim's table.
        run_dir: a run with the test set.
    """
    knobs = effect.model_extra or {}
    is_difference = effect.target == f"{effects.__name__}.{effects.difference.__name__}"
    if not is_difference or knobs["value"] != ERROR or (found := results_by_sample(run_dir)) is None:
        return None
    cells = [knobs["of"], *([knobs["minus"]] if knobs.get("minus") is not None else [])]
    errors = [
        statistics.fmean(effects.cell(table, knobs["value"], where, knobs.get("pick"))) for where in cells
    ]
    return math.sqrt(sum(p * (1 - p) for p in errors) / len(found[0]))


def _matrices(table: pl.DataFrame, value: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return of every row its results on all samples that there are, and 1 where it has one, each [rows, samples]."""
    column = {sample: i for i, sample in enumerate(table[SAMPLES].explode().drop_nulls().unique())}
    results, counted = (np.zeros((len(table), len(column))) for _ in range(2))
    for row, (samples, found) in enumerate(table.select(SAMPLES, value + BY_SAMPLE).rows()):
        if samples is not None and found is not None:
            places = [column[sample] for sample in samples]
            results[row, places], counted[row, places] = found, 1.0
    return results, counted


def _shared(table: pl.DataFrame, counted: NDArray[np.float64]) -> bool:
    """Return whether two seeds have a sample in common."""
    seeds = table["seed"].to_numpy()
    having = np.stack([counted[seeds == seed].max(0) for seed in np.unique(seeds)])
    return bool((having.sum(0) > 1).any())
