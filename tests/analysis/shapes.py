"""Sweeps of many shapes, as tables of runs and of evaluations; `python tests/analysis/shapes.py FOLDER` draws them.

The folder gets a contact sheet of every figure of every shape, to look at: what is drawn is tested in test_shapes.py.
"""

import sys
from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib.image
import polars as pl
from matplotlib.figure import Figure

from overparam.analysis.drawing import save
from overparam.analysis.report import figures
from overparam.analysis.swept import swept

STEPS = (0, 1, 3, 10, 30, 100, 300, 1000)
GROUPS = ("data", "model", "optimizer", "scheduler")


def table(
    runs: Iterable[dict[str, Any]], seeds: int = 3, is_regression: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A run of each setting and seed with a double-descent-like error; `failed: True` in a setting fails it."""
    rows, steps = [], []
    for number, setting in enumerate(runs):
        setting = dict(setting)
        failed = setting.pop("failed", False)
        for seed in range(setting.pop("seeds", seeds)):
            width = setting.get("model.width", 16)
            noise, n = setting.get("data.label_noise") or 0.0, setting.get("data.n_train", 400)
            size = abs(width) * 75 / n if isinstance(width, int | float) else 3
            wobble = 0.01 * ((seed * 7 + number * 3) % 5)
            shift = 0.02 * (number % 4)
            train = max(0.0, 0.6 - 0.35 * size + noise - shift)
            test = 0.08 + noise * 0.8 / (1 + abs(size - 1.5)) + 0.3 / (1 + 3 * size) + wobble + shift
            rows.append(
                {
                    "identity": f"r{number}-{seed}",
                    "name": "a_sweep",
                    "status": "failed" if failed else "finished",
                    "seed": seed,
                    "n_train": n,
                    "params": round(size * n),
                    "params_per_sample": None if failed else size,
                    "train_error": None if failed else train,
                    "train_error_noisy": None if failed or not noise else max(0.0, 1 - size / 2),
                    "test_error": None if failed else test,
                    "train_loss": None if failed else train + (0 if is_regression else 0.01),
                    "test_loss": None if failed else test * (1 if is_regression else 2),
                    "val_error": None,
                    **{f"choices.{group}": "one" for group in GROUPS},
                    **setting,
                }
            )
            for step in () if failed else STEPS:
                left = 1 / (1 + step / 30)
                found = {"train_error": train + left * (1 - train), "test_error": test + left * (0.9 - test)}
                losses = {
                    "train_loss": found["train_error"],
                    "test_loss": found["test_error"] * (1 if is_regression else 2),
                }
                steps.append({"identity": f"r{number}-{seed}", "step": step, **found, **losses})
    runs_table = pl.DataFrame(rows, infer_schema_length=None).with_columns(
        pl.col("val_error", "train_error_noisy", "test_error", "train_error", "test_loss", "train_loss").cast(
            pl.Float64
        )
    )
    empty = {"identity": pl.String, "step": pl.Int64, "test_error": pl.Float64, "train_error": pl.Float64}
    return runs_table, pl.DataFrame(steps) if steps else pl.DataFrame(
        schema=empty | {"test_loss": pl.Float64}
    )


def swept_over(**values: Any) -> list[dict[str, Any]]:
    """All combinations of values by key; __ in a key is a dot."""
    keys = [key.replace("__", ".") for key in values]
    return [dict(zip(keys, point, strict=True)) for point in product(*values.values())]


OPTIMIZERS = {
    "adam": {"choices.optimizer": "adam", "optimizer._target_": "Adam", "optimizer.lr": 0.01},
    "sgd": {"choices.optimizer": "sgd", "optimizer._target_": "SGD", "optimizer.lr": 0.1},
}
MODELS = {
    "mlp": {"choices.model": "mlp", "model._target_": "MLP", "model.width": 64},
    "cnn3": {"choices.model": "cnn3", "model._target_": "CNN", "model.width": 16},
}
WIDTHS, LONG = (2, 4, 8, 16, 32, 64), "a_very_long_name_of_an_augmentation_that_nobody_would_type_twice"

SHAPES: dict[str, tuple[pl.DataFrame, pl.DataFrame]] = {
    "one run": table([{"model.width": 16}], seeds=1),
    "three seeds of one setting": table([{"model.width": 16}]),
    "one seed": table(swept_over(model__width=WIDTHS), seeds=1),
    "two seeds": table(swept_over(model__width=WIDTHS, data__label_noise=(0.0, 0.2)), seeds=2),
    "a category": table(OPTIMIZERS.values()),
    "a model": table(MODELS.values(), seeds=2),
    "a category x width": table([{**o, "model.width": w} for o in OPTIMIZERS.values() for w in WIDTHS]),
    "a category x its rate": table(
        [{**o, "optimizer.lr": r} for o in OPTIMIZERS.values() for r in (0.01, 0.1, 1.0)]
    ),
    "width x depth": table(swept_over(model__width=WIDTHS, model__depth=(1, 2, 3))),
    "width x n x noise x lr": table(
        swept_over(
            model__width=WIDTHS,
            data__n_train=(100, 200, 400),
            data__label_noise=(0.0, 0.2),
            optimizer__lr=(0.01, 0.1),
        )
    ),
    "all failed": table([{"model.width": w, "failed": True} for w in WIDTHS]),
    "some failed": table(
        [
            {"optimizer.lr": r, "model.width": w, "failed": r > 1 or (w, r) == (8, 1.0)}
            for r in (0.1, 1.0, 1e25)
            for w in (4, 8, 16)
        ]
    ),
    "1 x 1": table([{"model.width": 8, "data.n_train": 100}]),
    "two that differ in two": table(
        [{"model.width": 8, "data.n_train": 100}, {"model.width": 16, "data.n_train": 200}], seeds=1
    ),
    "300 widths": table(swept_over(model__width=range(1, 301)), seeds=1),
    "negative and zero": table(swept_over(model__shift=(-1.0, -0.1, 0.0, 0.1, 1.0, 10.0))),
    "a penalty from zero": table(
        swept_over(optimizer__weight_decay=(0.0, 1e-4, 1e-3, 1e-2), model__width=(4, 16))
    ),
    "regression": table(swept_over(model__width=WIDTHS), is_regression=True),
    "long names": table(
        [
            {"choices.augmentation": name, "augmentation.x": i, "model.width": w}
            for i, name in enumerate((LONG, LONG[:40] + "_other", "short"))
            for w in WIDTHS
        ]
    ),
    "long names alone": table(
        [
            {"choices.augmentation": name, "augmentation.x": i}
            for i, name in enumerate((LONG, LONG[:40] + "_other", "short"))
        ]
    ),
    "nine depths": table(swept_over(model__width=WIDTHS, model__depth=range(1, 10))),
    "ten categories": table(
        [
            {"choices.augmentation": f"kind {i}", "augmentation.x": i, "model.width": w}
            for i in range(10)
            for w in WIDTHS
        ]
    ),
    "truth values and none": table(
        swept_over(model__bias=(True, False), clip_norm=(None, 1.0), model__width=WIDTHS)
    ),
    "few and many seeds": table(
        [{"model.width": w, "seeds": s} for w, s in ((4, 5), (8, 1), (16, 2), (32, 5), (64, 5))]
    ),
    "lists": table(swept_over(model__layers=("[8]", "[16]", "[128]"))),
    "close numbers": table(
        swept_over(optimizer__momentum=(0.9, 0.99, 0.999, 0.9999), model__width=(4, 8, 16, 32, 64))
    ),
    "names alone": table(
        swept_over(**{f"model__{key}": ("a", "b") for key in ("act", "init", "kind", "norm", "skip")}),
        seeds=1,
    ),
}


@cache
def drawn(name: str) -> dict[str, Figure]:
    """The figures of a shape by their names."""
    runs, steps = SHAPES[name]
    return dict(figures(runs, steps, swept(runs), name))


def main(folder: Path, *names: str) -> None:
    """Draw every figure of the shapes, and a sheet of each shape's."""
    for name in names or SHAPES:
        files = [
            save(figure, folder / name.replace(" ", "_") / key)[0] for key, figure in drawn(name).items()
        ]
        pictures = [matplotlib.image.imread(file) for file in files]
        columns = 3
        sheet = Figure(figsize=(8 * columns, 5.4 * -(-len(files) // columns)), layout="constrained")
        axes = sheet.subplots(-(-len(files) // columns), columns, squeeze=False).ravel()
        for place in axes:
            place.set_axis_off()
        for place, picture, file in zip(axes, pictures, files, strict=False):
            place.imshow(picture)
            place.set_title(file.stem, fontsize=9)
        sheet.savefig(folder / f"{name.replace(' ', '_')}.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
