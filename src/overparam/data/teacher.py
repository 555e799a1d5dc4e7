"""Gaussian inputs labelled by a random teacher network: as much data of any dimension as wanted."""

from typing import Any, Literal

import torch

from overparam.data.module import Pool, PoolDataModule, Task
from overparam.models.mlp import MLP
from overparam.randomness import derive_seed, drawing, generator
from overparam.ranges import PositiveInt

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Teacher(PoolDataModule):
    """x ~ N(0, I_d); the label is what a random MLP teacher says: its largest output, or the outputs.

    Everything is drawn in float64 and then rounded to `dtype`, so both dtypes hold the same sample. The
    stream "teacher" draws the network, "inputs" the pool, "test inputs" the test set.

    Args:
        input_dim: d.
        num_outputs: K, classes or regression targets.
        pool_size: samples that may be trained on.
        test_size: samples in the test set.
        teacher_width: hidden units of the teacher, which has one hidden ReLU layer.
        task: "classification" or "regression" (outputs standardized to unit variance over the pool's law).
        dtype: "float32" or "float64".
        common: see `PoolDataModule`.
    """

    def __init__(
        self,
        *,
        input_dim: PositiveInt = 20,
        num_outputs: PositiveInt = 2,
        pool_size: PositiveInt = 4000,
        test_size: PositiveInt = 2000,
        teacher_width: PositiveInt = 10,
        task: Task = "classification",
        dtype: Literal["float32", "float64"] = "float32",
        **common: Any,
    ) -> None:
        for name, value, least in (
            ("input_dim", input_dim, 1),
            ("num_outputs", num_outputs, 2 if task == "classification" else 1),
            ("pool_size", pool_size, 1),
            ("test_size", test_size, 1),
            ("teacher_width", teacher_width, 1),
        ):
            if value < least:
                raise ValueError(f"data.{name} must be {least} or more, got {value}")
        super().__init__(
            input_shape=(input_dim,), num_outputs=num_outputs, pool_size=pool_size, task=task, **common
        )
        self.test_size, self.teacher_width, self.dtype = test_size, teacher_width, DTYPES[dtype]

    def load(self) -> Pool:
        """Draw the teacher, the pool and the test set."""
        with drawing(derive_seed(self.seed, "teacher")):
            teacher = MLP(self.input_shape, self.num_outputs, self.teacher_width).double()

        def draw(stream: str, size: int) -> torch.Tensor:
            rng = generator(self.seed, stream)
            return torch.randn(size, *self.input_shape, dtype=torch.float64, generator=rng)

        with torch.no_grad():
            # A fixed reference sample sets the scale, so that no target depends on how many were drawn.
            reference = teacher(draw("teacher scale", 4096))
            center, scale = reference.mean(0), reference.std(0)

            def label(x: torch.Tensor) -> torch.Tensor:
                outputs = (teacher(x) - center) / scale
                return outputs.argmax(1) if self.task == "classification" else outputs.to(self.dtype)

            x, test_x = draw("inputs", self.pool_size), draw("test inputs", self.test_size)
            return Pool(x.to(self.dtype), label(x), test_x.to(self.dtype), label(test_x))
