"""How this process's memory allocator treats tensors that come and go with every step."""

import ctypes
import sys
from contextlib import suppress
from functools import cache

# The parameters of mallopt(3), and the most that glibc takes for the first.
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
LARGEST = 32 * 2**20


@cache
def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors instead of handing it back and fetching it anew.

    A page fetched anew is cleared by the kernel at its first touch: measured on a CPU, a fifth of a step whose
    activations take megabytes. Does nothing where the C library is another.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
