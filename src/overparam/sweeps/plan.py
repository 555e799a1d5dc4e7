"""A sweep before it is trained: what its runs are, what they cost, where they stand to the threshold."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from overparam.errors import ConfigError, counted
from overparam.measures.step_cost import StepCost, step_cost
from overparam.runs.identity import run_directory
from overparam.runs.secrets import without_secrets_in_command
from overparam.runs.summary import whole
from overparam.sweeps.price import device_of, price, trial_runs, tried
from overparam.training.build import Parts, assemble, resolve

MOST_ROWS = 40  # that are printed
UNITS = ("", "k", "M", "G", "T", "P", "E")


@dataclass(frozen=True)
class Row:
    """What is known of a run before it is trained."""

    identity: str
    params: int  # P, trainable parameters
    n_train: int  # n, training samples
    num_outputs: int  # K
    params_per_sample: float  # P / n
    params_per_constraint: float  # P / (n K)
    flops_per_step: int  # see StepCost
    memory_bytes: int  # see StepCost
    steps: int  # optimizer steps
    overrides: list[str]  # what it is composed from


def plan(runs: Iterable[tuple[DictConfig, Sequence[str]]]) -> list[Row]:
    """Return a row for each run, given as a composed config and its overrides; equal runs are one row.

    Raises:
        ConfigError: if one of them could not be trained as asked.
    """
    costs: dict[str, StepCost] = {}
    rows: dict[str, Row] = {}
    for given, overrides in runs:
        cfg = resolve(given)
        name = run_directory(cfg).name
        if name in rows:
            continue
        parts = assemble(cfg)
        data = parts.data
        key = _cost_key(cfg, parts)
        if key not in costs:
            costs[key] = step_cost(
                parts.build_net,
                parts.loss,
                parts.build_optimizer,
                data.input_shape,
                data.num_outputs,
                data.batch_size,
                data.task == "regression",
                cfg.trainer.precision,
            )
        rows[name] = Row(
            identity=name,
            params=parts.params,
            n_train=data.n_train,
            num_outputs=data.num_outputs,
            params_per_sample=parts.params / data.n_train,
            params_per_constraint=parts.params / (data.n_train * data.num_outputs),
            flops_per_step=costs[key].flops,
            memory_bytes=costs[key].memory_bytes,
            steps=cfg.trainer.max_steps,
            overrides=without_secrets_in_command(
                [text for text in overrides if not text.startswith("plan.")]
            ),
        )
    return list(rows.values())


def threshold_verdict(rows: Sequence[Row]) -> str:
    """Say whether the grid reaches from below the interpolation threshold to above it, as far as counts tell.

    A network with K outputs and squared loss has n K constraints: a linear or random-feature one interpolates
    at P = n K, and so did the MLPs of Belkin et al. 2019. With cross entropy the networks of Nakkiran et al.
    2019, and the MLPs on digits here, interpolate earlier, between P = n and P = n K. So a grid straddles if
    its smallest P is at most n and its largest at least n K. Where in between depends on optimizer, steps,
    label noise and architecture, which no count knows.
    """
    samples = [row.params_per_sample for row in rows]
    constraints = [row.params_per_constraint for row in rows]
    if max(samples) < 1:
        return "all runs are below it (largest P/n < 1): add larger widths or fewer samples"
    if min(constraints) > 1:
        return "all runs are above it (smallest P/(nK) > 1): add smaller widths or more samples"
    starts_below, ends_above = min(samples) <= 1, max(constraints) >= 1
    if starts_below and ends_above:
        return "the grid straddles it (smallest P/n <= 1, largest P/(nK) >= 1)"
    if starts_below:
        return "the grid may have no run above it (largest P/(nK) < 1): add larger widths or fewer samples"
    if ends_above:
        return "the grid may have no run below it (smallest P/n > 1): add smaller widths or more samples"
    return "the grid lies between P = n and P = nK, where it is expected: add smaller and larger widths"


def show(rows: Sequence[Row]) -> None:
    """Print the first rows, the sums of all, and the verdict on the threshold."""
    table = Table("identity", *("P", "P/n", "P/(nK)", "FLOPs/step", "memory", "steps"))
    for column in table.columns:
        column.no_wrap = True
    for row in rows[:MOST_ROWS]:
        table.add_row(
            row.identity,
            f"{row.params:,}",
            f"{row.params_per_sample:.3g}",
            f"{row.params_per_constraint:.3g}",
            short(row.flops_per_step),
            short(row.memory_bytes) + "B",
            f"{row.steps:,}",
        )
    console = Console(soft_wrap=True, highlight=False)
    # An identity cut short could not be looked for.
    console.width = max(
        console.width, console.measure(table, options=console.options.update(width=9999)).maximum
    )
    console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"and {counted(len(rows) - MOST_ROWS, 'more run')}; plan.json=FILE writes all")
    total = sum(row.flops_per_step * row.steps for row in rows)
    largest = max(row.memory_bytes for row in rows)
    console.print(
        f"{counted(len(rows), 'run')}, {short(total)} FLOPs of training, at most {short(largest)}B a run"
    )
    for name, values in (
        ("P/n", [row.params_per_sample for row in rows]),
        ("P/(nK)", [row.params_per_constraint for row in rows]),
    ):
        console.print(f"{name} from {min(values):.3g} to {max(values):.3g}")
    console.print(f"interpolation threshold: {threshold_verdict(rows)}")


def report(runs: Iterable[tuple[DictConfig, Sequence[str]]], section: Any) -> None:
    """Plan the runs, print the plan and its price, and write its rows as a JSON list if a file is named.

    Args:
        runs: composed configs and their overrides.
        section: the section `plan` of the config, see configs/plan.yaml.

    Raises:
        ConfigError: if the section means nothing, or one of the runs could not be trained as asked.
    """
    device = device_of(section)
    path = section.get("json")
    names_a_file = isinstance(path, str) and Path(path).parent.is_dir() and not Path(path).is_dir()
    if path is not None and not names_a_file:
        raise ConfigError(f"plan.json must be null or name a file in a folder that is there, got {path!r}")
    if device.trial is not None:
        cfgs, seconds = zip(*trial_runs(device.trial), strict=True)
        device = tried(device, [row.flops_per_step for row in plan((cfg, []) for cfg in cfgs)], seconds)
    rows = plan(runs)
    if path is not None:
        with whole(Path(path)) as file:
            file.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")
    show(rows)
    if device.flops_per_second is not None:
        print(
            f"at {short(device.flops_per_second)}FLOP/s and {short(1000 * device.step_seconds)} ms a step or more:"
        )
        print(price([(row.flops_per_step, row.steps) for row in rows], device))


def short(value: float) -> str:
    """Return a number in three digits and a decimal unit.

    Example:
        >>> short(2_847_024_496)
        '2.85G'
    """
    for unit in UNITS:
        if value < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{value:.3g}{unit}"


def _cost_key(cfg: DictConfig, parts: Parts) -> str:
    """Return all that the cost of a step depends on; of the optimizer, all but the learning rate."""
    data = parts.data
    sections = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(sections, dict)
    optimizer = {key: value for key, value in (sections.get("optimizer") or {}).items() if key != "lr"}
    shape = [data.input_shape, data.num_outputs, data.batch_size, data.task]
    made = [sections.get(key) for key in ("model", "module", "loss")]
    return json.dumps([made, optimizer, shape, cfg.trainer.precision])
