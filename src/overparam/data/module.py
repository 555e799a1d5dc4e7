"""The LightningDataModule every dataset is: a pool, a test set, and what a run trains on of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import lightning as L
import torch
from torch import Tensor

from overparam.data.augmentation import Augmentation
from overparam.data.corruption import (
    NoiseKind,
    check_noise_matrix,
    noisy_labels,
    noisy_targets,
    subset_order,
)
from overparam.data.loader import BatchOrder, ChunkLoader, OneByOne
from overparam.data.normalization import Normalization
from overparam.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt, Share

Task = Literal["classification", "regression"]


class Pool(NamedTuple):
    """What a dataset loads: everything that may be trained on, and the clean test set, on the host."""

    train_x: Tensor  # [pool_size, *input_shape]: uint8 images, or floating
    train_y: Tensor  # [pool_size] int64 classes, or [pool_size, K] floating targets
    test_x: Tensor
    test_y: Tensor


@dataclass(frozen=True)
class Split:
    """Samples, with the labels a run sees; labels on the training device, and so are inputs that are resident."""

    stored: Tensor  # [n, *input_shape]: floating inputs, or uint8 images
    y: Tensor  # [n] or [n, K]; noisy in the training split, always clean in the test split
    noisy: Tensor  # [n] bool, True where the label is wrong
    normalization: Normalization | None = None  # from stored values to what the network is given

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device) -> "Split":
        """Return the split with everything on `device`."""
        moved = self.normalization and self.normalization.to(device)
        return Split(self.stored.to(device), self.y.to(device), self.noisy.to(device), moved)

    @property
    def x(self) -> Tensor:
        """What the network is given for the whole split, [n, *input_shape], floating; for images a new tensor."""
        return self.inputs()

    def inputs(self, rows: slice | Tensor = slice(None)) -> Tensor:
        """Return what the network is given for these rows, floating, on the labels' device."""
        x = self.stored[rows].to(self.y.device, non_blocking=True)
        return x if self.normalization is None else self.normalization(x)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, None]]:
        """Iterate (inputs, y, noisy, None) over the whole split in order, `size` samples at a time.

        The last is which samples count, where some are padding; here all do.
        """
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield self.inputs(rows), self.y[rows], self.noisy[rows], None

    def first(self, samples: int) -> "Split":
        """Return the first samples as a split; subsets are drawn at random, so they are a sample of it."""
        return replace(self, stored=self.stored[:samples], y=self.y[:samples], noisy=self.noisy[:samples])

    def variance(self) -> float:
        """Return the variance of the targets."""
        return float(self.y.var())

    def noise_rate(self) -> float:
        """Return the share of wrong labels."""
        return int(self.noisy.sum()) / len(self)


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
        noise_matrix: for noise_kind "class_dependent", see there; None is `corruption.ramp`.
        random_labels: train on labels drawn uniformly from the K classes (Zhang et al. 2017), the limit p = 1
            of noise_kind "uniform".
        held_out: samples of the pool that are kept from training, to choose by (see `measures.held_out`). They
            are the last of the subset order, and their labels are corrupted like those trained on.
        batch_size: samples a step; None, or n and more, is full batch.
        crop: padding of random crops of training images, in pixels; 0 is off. See `Augmentation`.
        flip: whether training images are flipped at random.
        cutout: side of the square hidden in training images, in pixels; 0 is off.
        seed: root of the streams that make the data: generation, subset, label noise.
        order_seed: root of the streams that are drawn while training: batch order, augmentation.
        resident: whether inputs live on the training device; "auto": if they take at most half of its free
            memory.
        num_workers: DataLoader processes that gather batches of inputs that are not resident.

    Raises:
        ValueError: for values out of range.
    """

    train: Split
    test: Split
    held_out: Split | None = None
    normalization: Normalization | None = None  # of uint8 images
    black = 0.0  # what a crop's padding holds

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        num_outputs: int,
        pool_size: int,
        task: Task = "classification",
        n_train: PositiveInt | None = None,
        label_noise: NonNegativeFloat = 0.0,
        noise_kind: NoiseKind = "flip",
        noise_matrix: Sequence[Sequence[Share]] | None = None,
        random_labels: bool = False,
        held_out: NonNegativeInt = 0,
        batch_size: PositiveInt | None = None,
        crop: NonNegativeInt = 0,
        flip: bool = False,
        cutout: NonNegativeInt = 0,
        seed: int = 0,
        order_seed: int = 0,
        resident: bool | Literal["auto"] = "auto",
        num_workers: NonNegativeInt = 2,
    ) -> None:
        super().__init__()
        self.input_shape, self.num_outputs, self.task = tuple(input_shape), num_outputs, task
        self.pool_size, self.n_train = pool_size, pool_size if n_train is None else n_train
        self.label_noise, self.noise_kind, self.noise_matrix = label_noise, noise_kind, noise_matrix
        self.random_labels = random_labels
        self.crop, self.flip, self.cutout = crop, flip, cutout
        self.seed, self.order_seed = seed, order_seed
        self.resident, self.num_workers = resident, num_workers
        if not 1 <= self.n_train <= pool_size:
            raise ValueError(f"data.n_train must be between 1 and {pool_size}, got {n_train}")
        if not 0 <= held_out <= pool_size - self.n_train:
            raise ValueError(
                f"data.held_out must be between 0 and {pool_size - self.n_train}, the samples that "
                f"data.n_train={self.n_train} leaves, got {held_out}"
            )
        self.num_held_out = held_out
        self._check_noise()
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"data.batch_size must be positive, or null for full batch, got {batch_size}")
        self.batch_size = min(batch_size or self.n_train, self.n_train)
        if (crop or flip or cutout) and len(self.input_shape) != 3:
            raise ValueError("data.crop, data.flip and data.cutout need images, and these inputs are not")
        for name, size in (("crop", crop), ("cutout", cutout)):
            if size > min(self.input_shape[1:], default=0) > 0:
                raise ValueError(
                    f"data.{name} must be at most {min(self.input_shape[1:])}, the side of these images, got {size}"
                )
        if min(crop, cutout, num_workers) < 0:
            raise ValueError("data.crop, data.cutout and data.num_workers must be 0 or more")
        if resident not in (True, False, "auto"):
            raise ValueError(f"data.resident must be auto, true or false, got {resident}")
        # Whether a batch is a chunk of many steps, for a module that takes them in one call; set by who trains.
        self.fused = False
        # Steps after which the trainer must get control back then; set by whoever evaluates at them.
        self.cuts: list[int] = []

    def _check_noise(self) -> None:
        classes = self.task == "classification"
        if not 0 <= self.label_noise < (1 if classes else math.inf):
            allowed = "in [0, 1)" if classes else "zero or a positive standard deviation"
            raise ValueError(f"data.label_noise must be {allowed}, got {self.label_noise}")
        if classes and self.noise_matrix is not None:
            check_noise_matrix(self.noise_matrix, self.num_outputs)
        if self.random_labels and (not classes or self.label_noise):
            raise ValueError("data.random_labels=true needs classes, and data.label_noise=0")

    def load(self) -> Pool:
        """Return the whole pool and the clean test set, on the host."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Load the pool, corrupt it, take the first n of the subset order. Runs once."""
        if hasattr(self, "train"):
            return
        pool = self.load()
        y, noisy = self._training_labels(pool.train_y)
        order = subset_order(len(pool.train_y), self.seed)
        chosen, kept = order[: self.n_train], order[len(order) - self.num_held_out :]
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if self.normalization is not None:
            self.normalization = self.normalization.to(device)

        def split(x: Tensor, y: Tensor, noisy: Tensor) -> Split:
            return Split(x.to(home), y.to(device), noisy.to(device), self.normalization)

        train_x = pool.train_x.index_select(0, chosen)
        home = (
            device if self._is_resident(train_x.nbytes + pool.test_x.nbytes, device) else torch.device("cpu")
        )
        self._workers = self.num_workers if home != device or self.resident is False else None
        self.train = split(train_x, y[chosen], noisy[chosen])
        if self.num_held_out:
            self.held_out = split(pool.train_x.index_select(0, kept), y[kept], noisy[kept])
        self.test = split(pool.test_x, pool.test_y, torch.zeros(len(pool.test_y), dtype=torch.bool))

    def _training_labels(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the labels of the whole pool as they are trained on, and which are wrong."""
        if self.task == "regression":
            noisy = torch.full((len(y),), self.label_noise > 0)
            return noisy_targets(y, self.label_noise, self.seed), noisy
        if self.random_labels:
            return noisy_labels(y, self.num_outputs, 1.0, self.seed, "uniform")
        matrix = self.noise_matrix
        return noisy_labels(y, self.num_outputs, self.label_noise, self.seed, self.noise_kind, matrix)

    def _is_resident(self, size: int, device: torch.device) -> bool:
        if self.resident == "auto":
            return device.type != "cuda" or size <= torch.cuda.mem_get_info(device)[0] // 2
        return self.resident

    @property
    def has_validation(self) -> bool:
        """Whether samples are kept to choose by."""
        return self.num_held_out > 0

    @property
    def smallest_batch(self) -> int:
        """Samples of the smallest training batch: all are of one size."""
        return self.batch_size

    def splits(self) -> dict[str, Split]:
        """Return what a network is evaluated on: "train", "test" and, with `held_out`, "val"."""
        splits = {"train": self.train, "test": self.test}
        return splits if self.held_out is None else {**splits, "val": self.held_out}

    def train_dataloader(self) -> Any:
        """Return the remaining steps of the run, from the trainer's step on, as batches (x [B, *shape], y).

        Under several processes each takes its share of every batch.
        """
        trainer = self.trainer
        assert trainer is not None
        self.check_processes(trainer.world_size)
        order = BatchOrder(
            self.n_train, self.batch_size, self.order_seed, trainer.global_rank, trainer.world_size
        )
        per_step = trainer.accumulate_grad_batches
        chunks = ChunkLoader(
            *(self.train.stored, self.train.y, order),
            *(lambda: per_step * trainer.global_step, per_step * trainer.max_steps),
            self.cuts if self.fused else (),
            augmentation=self.augmentation(),
            normalization=self.normalization,
            num_workers=self._workers,
        )
        return chunks if self.fused else OneByOne(chunks)

    def check_processes(self, count: int) -> None:
        """Raise ValueError if `count` processes cannot take equal shares of a batch."""
        if self.batch_size % count:
            raise ValueError(
                f"data.batch_size must be a multiple of the {count} processes that share a batch, "
                f"got {self.batch_size}"
            )

    def augmentation(self) -> Augmentation | None:
        """Return the random changes of training images, None if there are none."""
        if not (self.crop or self.flip or self.cutout):
            return None
        mean = torch.zeros(1, 1, 1, dtype=self.train.stored.dtype, device=self.train.y.device)
        if self.normalization is not None:
            mean = (-self.normalization.shift / self.normalization.scale).round().to(self.train.stored.dtype)
        options: dict[str, Any] = {"crop": self.crop, "flip": self.flip, "cutout": self.cutout}
        shape: Any = self.input_shape
        return Augmentation(shape, self.n_train, self.order_seed, **options, black=self.black, mean=mean)
