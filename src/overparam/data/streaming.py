"""Any LightningDataModule: what the lab needs to know about it, and how networks are evaluated on its loaders.

Such data need not fit into memory. Its loaders give (x [B, *shape], y [B] or [B, K]), batch by batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from overparam.data.module import Split
from overparam.randomness import forked, generator

MEASURED = 2048  # samples that measures, which want tensors, are given of a stream


@dataclass(frozen=True)
class StreamSplit:
    """The samples of a loader, read anew each time: all of them in a fixed order, if its dataset has an index.

    Reading draws from random generators of its own, so training goes on as if nothing had been read.
    """

    loader: Callable[[], Any]
    device: torch.device
    samples: int | None = None  # None is all

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, None]]:
        """Iterate (x, y, noisy, None) in the loader's own batches; nothing is known to be noisy."""
        with isolate_rng(include_cuda=False), forked(self.device):
            left = self.samples
            for x, y in in_order(self.loader(), self.samples):
                x, y = (part[:left].to(self.device, non_blocking=True) for part in (x, y))
                yield x, y, torch.zeros(len(y), dtype=torch.bool, device=self.device), None
                left = None if left is None else left - len(y)
                if left == 0:
                    return

    def first(self, samples: int) -> "StreamSplit":
        """Return a fixed sample: drawn at random of a dataset that has an index, the first ones of any other."""
        return StreamSplit(self.loader, self.device, samples)

    def held(self) -> Split:
        """Return a sample of it in memory, for measures."""
        parts = [batch[:3] for batch in self.first(min(self.samples or MEASURED, MEASURED)).batches(MEASURED)]
        x, y, noisy = (torch.cat([batch[i] for batch in parts]) for i in range(3))
        return Split(x, y, noisy)

    def variance(self) -> float:
        """Return the variance of the targets of a sample of it."""
        return float(self.held().y.var())

    def noise_rate(self) -> float:
        """Return 0: nobody has said which labels are wrong."""
        return 0.0


def in_order(loader: Any, samples: int | None) -> Any:
    """Return a loader over the same dataset in a fixed order, all of it or a random sample, if it has an index."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return loader
    dataset: Any = loader.dataset
    if samples is not None and samples < len(dataset):
        rows = torch.randperm(len(dataset), generator=generator(0, "evaluation", "sample"))[:samples]
        dataset = Subset(dataset, rows.tolist())
    return DataLoader(
        dataset,
        batch_size=loader.batch_size or 1,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
    )


class StreamedData:
    """What a run needs to know about a LightningDataModule that is not a `PoolDataModule`.

    `input_shape`, `num_outputs`, `n_train`, `batch_size` and `task` are its attributes of these names, or else what
    its train loader shows.

    Args:
        datamodule: it needs a `train_dataloader` and a `test_dataloader`; with a `val_dataloader` it has a
            validation split.

    Raises:
        ValueError: if one of these can neither be read nor be found out.
    """

    def __init__(self, datamodule: L.LightningDataModule) -> None:
        self.datamodule = datamodule
        datamodule.prepare_data()
        datamodule.setup("fit")
        loader: Any = datamodule.train_dataloader()
        dataset = getattr(loader, "dataset", None)

        def said(*names: str) -> Any:
            return next((getattr(datamodule, name) for name in names if hasattr(datamodule, name)), None)

        self.batch_size: int = said("batch_size") or getattr(loader, "batch_size", None) or 1
        n_train = said("n_train") or (len(dataset) if hasattr(dataset, "__len__") else None)  # type: ignore[arg-type]
        if n_train is None:
            raise ValueError(
                f"{self.name} must say how many training samples it has: give it an attribute n_train"
            )
        self.n_train: int = n_train
        left_over = 0 if getattr(loader, "drop_last", True) else n_train % self.batch_size
        self.smallest_batch = left_over or self.batch_size
        shape, task, outputs = said("input_shape"), said("task"), said("num_outputs", "num_classes")
        if shape is None or task is None or outputs is None:
            with isolate_rng(include_cuda=False):  # a sweep's first process, which needs no GPU
                x, y = next(iter(in_order(loader, 1)))
            shape = shape or tuple(x.shape[1:])
            task = task or ("regression" if y.is_floating_point() else "classification")
            if outputs is None:
                outputs = y.shape[1] if task == "regression" and y.ndim > 1 else _classes(dataset)
        if outputs is None:
            raise ValueError(
                f"{self.name} must say how many classes it has: give it an attribute num_outputs"
            )
        self.input_shape, self.task, self.num_outputs = tuple(shape), task, int(outputs)

    @property
    def name(self) -> str:
        """The class's name, for messages."""
        return type(self.datamodule).__name__

    def prepare_data(self) -> None:
        """Do nothing: it had to be prepared to be looked at."""

    def setup(self, stage: str | None = None) -> None:
        """Do nothing, likewise."""

    def check_processes(self, count: int) -> None:
        """Do nothing: Lightning gives each process its own samples."""

    @property
    def has_validation(self) -> bool:
        """Whether there is a validation loader."""
        return type(self.datamodule).val_dataloader is not L.LightningDataModule.val_dataloader

    def splits(self) -> dict[str, StreamSplit]:
        """Return what a network is evaluated on: "train", "test" and, with a `val_dataloader`, "val"."""
        loaders = {"train": "train_dataloader", "test": "test_dataloader", "val": "val_dataloader"}
        own = type(self.datamodule)
        there = {
            split: name
            for split, name in loaders.items()
            if getattr(own, name) is not getattr(L.LightningDataModule, name)
        }
        if "test" not in there:
            raise ValueError(f"{self.name} has no test_dataloader, which the test error is measured on")
        if "test" in there:
            self.datamodule.setup("test")
        trainer = self.datamodule.trainer
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        return {split: StreamSplit(getattr(self.datamodule, name), device) for split, name in there.items()}


def _classes(dataset: Any) -> int | None:
    """Return how many classes a dataset names, as torchvision's do, looking through subsets."""
    while dataset is not None and not hasattr(dataset, "classes"):
        dataset = getattr(dataset, "dataset", None)
    return None if dataset is None else len(dataset.classes)
