"""The LightningDataModule every dataset of the lab is: a pool, a test set, and what a run trains on of them."""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import lightning as L
import torch
from torch import Tensor

from overparam.data.corruption import NoiseKind, noisy_labels, noisy_targets, subset_order
from overparam.data.loader import BatchOrder, ResidentLoader

Task = Literal["classification", "regression"]


class Pool(NamedTuple):
    """What a dataset loads: everything that may be trained on, and the clean test set."""

    train_x: Tensor  # [pool_size, *input_shape]
    train_y: Tensor  # [pool_size] int64 classes, or [pool_size, K] floating targets
    test_x: Tensor
    test_y: Tensor


@dataclass(frozen=True)
class Split:
    """Samples on the training device, with the labels a run sees."""

    x: Tensor  # [n, *input_shape]
    y: Tensor  # [n] or [n, K]; noisy in the training split, always clean in the test split
    noisy: Tensor  # [n] bool, True where the label is wrong

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> "Split":
        """Return the split on `device`."""
        return Split(self.x.to(device), self.y.to(device), self.noisy.to(device))


class PoolDataModule(L.LightningDataModule):
    """A dataset held as tensors. A new dataset subclasses this and writes `load`.

    Args:
        input_shape: shape of one sample, without the batch axis.
        num_outputs: K, classes or regression targets.
        pool_size: how many samples `load` offers for training.
        task: "classification" or "regression".
        n_train: n, how many of the pool to train on; None is all. Subsets are nested in n.
        label_noise: classification: probability p in [0, 1) of corrupting a training label; regression:
            standard deviation of Gaussian noise added to the training targets. Test labels stay clean.
        noise_kind: what a corrupted label becomes, see `corruption.noisy_labels`.
        batch_size: samples a step; None, or n and more, is full batch.
        seed: root of the streams that make the data: generation, subset, label noise.
        order_seed: root of the stream that orders batches.

    Raises:
        ValueError: for an n_train, label_noise or batch_size that cannot be had.
    """

    train: Split
    test: Split

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        num_outputs: int,
        pool_size: int,
        task: Task = "classification",
        n_train: int | None = None,
        label_noise: float = 0.0,
        noise_kind: NoiseKind = "flip",
        batch_size: int | None = None,
        seed: int = 0,
        order_seed: int = 0,
    ) -> None:
        super().__init__()
        self.input_shape, self.num_outputs, self.task = tuple(input_shape), num_outputs, task
        self.pool_size, self.n_train = pool_size, pool_size if n_train is None else n_train
        self.label_noise, self.noise_kind = label_noise, noise_kind
        self.seed, self.order_seed = seed, order_seed
        if not 1 <= self.n_train <= pool_size:
            raise ValueError(f"data.n_train must be between 1 and {pool_size}, got {n_train}")
        if not 0 <= label_noise < (1 if task == "classification" else math.inf):
            allowed = "in [0, 1)" if task == "classification" else "zero or a positive standard deviation"
            raise ValueError(f"data.label_noise must be {allowed}, got {label_noise}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"data.batch_size must be positive, or null for full batch, got {batch_size}")
        self.batch_size = min(batch_size or self.n_train, self.n_train)
        # Steps after which the trainer must get control back; set by whoever evaluates at them.
        self.cuts: list[int] = []

    def load(self) -> Pool:
        """Return the whole pool and the clean test set, on the CPU."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Load the pool, corrupt it, take the first n of the subset order. Runs once."""
        if hasattr(self, "train"):
            return
        pool = self.load()
        if self.task == "classification":
            y, noisy = noisy_labels(
                pool.train_y, self.num_outputs, self.label_noise, self.seed, self.noise_kind
            )
        else:
            y = noisy_targets(pool.train_y, self.label_noise, self.seed)
            noisy = torch.full((len(y),), self.label_noise > 0)
        chosen = subset_order(self.pool_size, self.seed)[: self.n_train]
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        self.train = Split(pool.train_x[chosen], y[chosen], noisy[chosen]).to(device)
        self.test = Split(pool.test_x, pool.test_y, torch.zeros(len(pool.test_y), dtype=torch.bool)).to(
            device
        )

    def train_dataloader(self) -> Any:
        """Return the remaining steps of the run, from the trainer's step on."""
        trainer = self.trainer
        assert trainer is not None
        order = BatchOrder(self.n_train, self.batch_size, self.order_seed)
        x, y = self.train.x, self.train.y
        return ResidentLoader(x, y, order, lambda: trainer.global_step, trainer.max_steps, self.cuts)
