"""Autocast for the pretend device, with CUDA's choices: products in the lower precision, losses in the full one."""

from typing import Any

import torch
from lightning.pytorch.plugins import MixedPrecision

from tests.device.pretend import NAME

LOWER = ("linear", "conv2d", "matmul", "mm", "addmm", "bmm", "baddbmm")
FULL = ("log_softmax.int", "softmax.int", "cross_entropy_loss", "mse_loss")
KEY = "AutocastPrivateUse1"
_libraries: list[Any] = []


def install() -> None:
    """Have `torch.autocast("pretend")`, and Lightning use it where it would CUDA's; after the device is there."""
    others, products = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    others.fallback(torch.library.fallthrough_kernel, KEY)
    _libraries.extend([others, products])
    for name in LOWER:
        products.impl(name, _casting(name, torch.bfloat16), KEY)
    for name in FULL:
        products.impl(name, _casting(name, torch.float32), KEY)

    def context(plugin: Any) -> Any:
        return torch.autocast(NAME if plugin.device == "cuda" else plugin.device, torch.bfloat16)

    MixedPrecision.autocast_context_manager = context  # type: ignore[method-assign]


def _casting(name: str, dtype: torch.dtype) -> Any:
    function, _, overload = name.partition(".")
    op = getattr(getattr(torch.ops.aten, function), overload or "default")

    def call(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, KEY))):
            cast = [x.to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in args]
            return op(*cast, **kwargs)

    return call
