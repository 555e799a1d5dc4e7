"""How many CPU threads a pack is given where the config leaves it open."""

from collections.abc import Sequence

from overparam.packs.speeds import gpu
from overparam.training.build import Parts

# Multiply-adds of a step's forward pass that are worth a thread. Measured on two cores: 14e6 in all gain nothing from a
# second thread, 144e6 and 504e6 a quarter of the step.
WORTH_A_THREAD = 2**24


def pack_threads(pack: Sequence[Parts], accelerator: str, cores: int) -> int:
    """Return the threads of a pack: as many as its step has work for, of the cores that its job has.

    Args:
        pack: what its runs are made of.
        accelerator: of `trainer.accelerator`; beside a GPU one thread has nothing to share.
        cores: see `sweeps.offer.Offer.cores_per_job`.
    """
    work = sum(parts.params * parts.data.batch_size for parts in pack)
    return 1 if gpu(accelerator) is not None else max(min(work // WORTH_A_THREAD, cores), 1)
