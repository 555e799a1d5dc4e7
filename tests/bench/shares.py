"""What bounds a packed sweep: where its seconds go, and what its matrix products would take without all the rest."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch

from overparam.allocator import keep_freed_memory
from overparam.packs.module import PackModule
from overparam.packs.products import product
from overparam.training.build import assemble
from overparam.training.evaluation import Evaluation, log_spaced_steps
from tests.bench import sweep
from tests.bench.pairs import DEVICE, Result, clock

STEPS = 30  # measured, for all


@contextmanager
def timed(owner: type, method: str, seconds: Counter[str]) -> Iterator[None]:
    """Add the seconds of a method's calls to its count."""
    original = getattr(owner, method)

    def call(*arguments: object) -> object:
        started = clock()
        try:
            return original(*arguments)
        finally:
            seconds[method] += clock() - started

    with patch.object(owner, method, call):
        yield


def products(workload: sweep.Workload) -> float:
    """Return the seconds of the sweep's matrix products alone, of training and of evaluation, on ready tensors."""
    with TemporaryDirectory() as folder:
        data = assemble(workload.configs(Path(folder), "auto")[0]).data
    data.setup()
    torch.set_num_threads(sweep.THREADS)
    keep_freed_memory()  # as runs do: else half of what is measured is the kernel clearing pages
    evaluated, d = len(data.train) + len(data.test), math.prod(data.input_shape)
    rows, units, outputs = workload.seeds, sum(workload.widths), data.num_outputs
    first = torch.randn(rows, units, d, device=DEVICE)
    widths = [(width, len(list(same))) for width, same in groupby(sorted(workload.widths))]
    readouts = [torch.randn(rows * count, outputs, width, device=DEVICE) for width, count in widths]
    training = _once(data.batch_size, first, readouts, backward=True)
    evaluation = _once(evaluated, first, readouts, backward=False)
    return workload.steps * training + len(log_spaced_steps(workload.steps, 10)) * evaluation


def _once(samples: int, first: torch.Tensor, readouts: list[torch.Tensor], backward: bool) -> float:
    x = torch.randn(len(first), samples, first.shape[2], device=DEVICE)
    hidden = torch.randn(len(first), first.shape[1], samples, device=DEVICE)
    units = [torch.randn(len(w), w.shape[2], samples, device=DEVICE) for w in readouts]
    outputs = [torch.randn(len(w), w.shape[1], samples, device=DEVICE) for w in readouts]

    def multiply() -> None:
        product(first, x)
        for weight, inputs, gradient in zip(readouts, units, outputs, strict=True):
            product(weight, inputs.mT)
            if backward:
                product(gradient, inputs)
                product(weight.mT, gradient.mT)
        if backward:
            product(hidden, x.mT)

    return _per_call(multiply)


def _per_call(call: Callable[[], None]) -> float:
    call()
    started = clock()
    for _ in range(STEPS):
        call()
    return (clock() - started) / STEPS


def run(short: bool) -> Result:
    """Measure every workload of the sweep part."""
    parts = ("training steps", "evaluation", "configs, networks, batches, files")
    table = [f"| a packed sweep's time | {' | '.join(parts)} | matrix products of both, alone |"]
    table.append("|---|" + "---|" * (len(parts) + 1))
    for workload in sweep.workloads(short):
        seconds: Counter[str] = Counter()
        with timed(PackModule, "training_step", seconds), timed(Evaluation, "_evaluate", seconds):
            whole = sweep.seconds("packed", workload)
        steps, evaluation = seconds["training_step"], seconds["_evaluate"]
        shares = [steps, evaluation, whole - steps - evaluation, products(workload)]
        table.append(" | ".join([f"| {workload.name}", *(f"{share / whole:.0%}" for share in shares)]) + " |")
    return Result(table)
