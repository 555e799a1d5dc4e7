"""What a launcher has for the runs of a sweep: its own word, or for launchers of others an adapter's."""

import subprocess
from collections.abc import Mapping
from typing import Any

from overparam.compat_hydra import BASIC_LAUNCHER
from overparam.sweeps.slots import cpu_count, visible_gpus


class Offer:
    """What a launcher has for the runs of a sweep.

    A launcher says it by attributes of the names below. What it does not say is as for a launcher that starts every
    job in a process of its own, one at a time.
    """

    def __init__(self, launcher: Any) -> None:
        modules = [kind.__module__ for kind in type(launcher).__mro__]
        adapters = [ADAPTERS[module](launcher) for module in modules if module in ADAPTERS]
        self._sources = [launcher, *adapters]

    def _said(self, name: str, default: Any) -> Any:
        return next((getattr(source, name) for source in self._sources if hasattr(source, name)), default)

    @property
    def slots(self) -> int:
        """Jobs that this machine runs at once; so many are made of the runs that can be trained together."""
        return self._said("slots", 1)

    @property
    def cores_per_job(self) -> int:
        """CPU cores that a job has to itself."""
        return self._said("cores_per_job", 1)

    @property
    def processes_per_run(self) -> int:
        """Processes, each with a device of its own, that a run is given."""
        return self._said("processes_per_run", 1)

    @property
    def needs_isolation(self) -> bool:
        """Whether a run that crashes would take its job with it, so that each run needs a process of its own."""
        return self._said("needs_isolation", False)

    @property
    def in_this_process(self) -> bool:
        """Whether jobs run in the process that the command was given to."""
        return self._said("in_this_process", False)

    @property
    def fails_fast(self) -> bool:
        """Whether it ends at the first failure by itself if `hydra.sweeper.fail_fast` asks for it."""
        return self._said("fails_fast", False)

    @property
    def limits_time(self) -> bool:
        """Whether it ends a run after `hydra.sweeper.max_run_seconds`, as it does where runs are isolated."""
        return self._said("limits_time", self.needs_isolation)

    @property
    def obstacle(self) -> str | None:
        """Why no run would ever start, or None."""
        return self._said("obstacle", None)

    def expect_runs(self) -> None:
        """Have it begin with what takes long and runs will need, while they are being checked."""
        self._said("expect_runs", lambda: None)()

    def cancel(self) -> None:
        """End the jobs that are still there after Ctrl-C."""
        self._said("cancel", lambda: None)()


class _Basic:
    """Hydra's own launcher: one run after the other; it is the sweeper that ends it at the first failure."""

    in_this_process = fails_fast = True

    def __init__(self, launcher: Any) -> None:
        self.cores_per_job = cpu_count()


def _below(least: Mapping[str, int], knobs: Mapping[str, Any], prefix: str) -> str | None:
    """Return which of a launcher's knobs is below the least that means something, or None."""
    for key, lowest in least.items():
        value = knobs.get(key)
        if isinstance(value, int | float) and not value >= lowest:
            return f"hydra.launcher.{prefix}{key} must be {lowest} or more, got {value}"
    return None


class _Ray:
    """hydra-ray-launcher, on this machine or a cluster."""

    needs_isolation = True

    def __init__(self, launcher: Any) -> None:
        self.ray = launcher.ray_cfg
        self.cores_per_job = int(self.ray.remote.get("num_cpus") or 1)

    @property
    def obstacle(self) -> str | None:
        below = _below({"num_cpus": 0, "num_gpus": 0, "max_retries": -1}, self.ray.remote, "ray.remote.")
        below = below or _below({"num_cpus": 1, "num_gpus": 0}, self.ray.init, "ray.init.")
        if below or self.ray.init.get("address") != "local":
            return below
        asked, given = self.ray.remote.get("num_gpus") or 0, self.ray.init.get("num_gpus")
        there = len(visible_gpus()) if given is None else given
        if asked <= there:
            return None
        gpus = (
            "is 1 GPU" if there == 1 else f"are {there} GPUs"
        )  # Ray would wait for more, silently, for ever
        return f"hydra.launcher.ray.remote.num_gpus={asked}, and there {gpus}: ask for fewer"


class _Submitit:
    """hydra-submitit-launcher, on SLURM or this machine."""

    needs_isolation = True
    positive = (
        "nodes",
        "tasks_per_node",
        "cpus_per_task",
        "gpus_per_node",
        "timeout_min",
        "array_parallelism",
    )

    def __init__(self, launcher: Any) -> None:
        self.params = launcher.params
        self.cores_per_job = self.params.get("cpus_per_task") or 1

    @property
    def obstacle(self) -> str | None:
        return _below({**dict.fromkeys(self.positive, 1), "max_num_timeout": 0}, self.params, "")

    @property
    def processes_per_run(self) -> int:
        return self.params.get("tasks_per_node", 1) * self.params.get("nodes", 1)

    def cancel(self) -> None:
        if "partition" in self.params:  # SLURM
            subprocess.run(["scancel", "--name", self.params["name"]], check=False)


ADAPTERS = {
    BASIC_LAUNCHER: _Basic,
    "hydra_plugins.hydra_ray_launcher.ray_launcher": _Ray,
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher": _Submitit,
}
