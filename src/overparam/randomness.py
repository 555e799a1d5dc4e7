"""Named random streams: every draw of a run comes from a stream derived from (seed, name)."""

import hashlib

import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Return the 63-bit seed of the stream called `names` under `seed`.

    Streams with different names, or different seeds, are independent: drawing more from one, or adding a
    new one, changes no other. 0 is a seed like any other.

    Example:
        >>> derive_seed(0, "label_noise") == derive_seed(0, "subset")
        False
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator at the start of the stream `names` under `seed` (see `derive_seed`)."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))
