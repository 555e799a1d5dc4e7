"""What differs from machine to machine: operating systems, and devices that lack a type of numbers.

The lab is tested on Linux. What macOS and Windows lack is asked for here, and `shortcomings` says it at the start.
"""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Types of devices on which no float64 tensor can be.
WITHOUT_FLOAT64 = {"mps"}
ASSUMED_MEMORY = 8 * 2**30  # bytes, where the system does not say


def has_float64(device: "torch.device") -> bool:
    """Return whether float64 tensors can be on a device."""
    return device.type not in WITHOUT_FLOAT64


def trains_on_mps(accelerator: str) -> bool:
    """Return whether `trainer.accelerator` means a Mac's GPU here."""
    import torch  # which commands import late

    if accelerator == "mps":
        return True
    there = torch.backends.mps.is_available() and not torch.cuda.is_available()
    return there and accelerator in ("auto", "gpu")


def can_fork() -> bool:
    """Return whether a process that has imported torch can be forked; on macOS its system libraries may crash then."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def wait_asleep() -> None:
    """Have OpenMP's threads sleep soon when they wait for each other, before torch is imported; what is set stays.

    They spin for long otherwise, and hold the core that another process's thread waits for. Measured on two cores: two
    sweeps at once, with two threads each, took 53 and 106 seconds, and take 26; one alone takes 14 either way.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def free_memory() -> int:
    """Return the bytes of memory that are free; of a system that does not say so, half of all it has."""
    names = getattr(os, "sysconf_names", {})
    if "SC_AVPHYS_PAGES" in names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if "SC_PHYS_PAGES" in names:  # macOS
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return ASSUMED_MEMORY // 2


def shortcomings() -> str | None:
    """Return in one line what is not supported on this operating system, or None."""
    if sys.platform == "darwin":
        return "macOS is untested; its GPU has no float64 and no packs, trainer.accelerator=cpu has both"
    if sys.platform == "win32":
        utf8 = "" if sys.flags.utf8_mode else "; set PYTHONUTF8=1, or text beyond ASCII fails"
        return f"Windows is untested (WSL is Linux): no SLURM, and ending a process from outside ends it at once{utf8}"
    return None
