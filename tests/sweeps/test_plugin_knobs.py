"""Knobs of launchers and sweepers that mean nothing, and plugins whose package is missing."""

import importlib.util
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus

from hydra_plugins.overparam_launcher import LocalLauncher
from hydra_plugins.overparam_search import OptunaSearch, Trials
from hydra_plugins.overparam_sweeper import OverparamSweeper
from overparam.commands.start import what_to_install
from overparam.errors import ConfigError
from overparam.runs.state import Diverged, RunFailed
from overparam.sweeps.offer import Offer
from tests.command_line import command_line
from tests.sweeps.test_offer import RAY, SUBMITIT, launcher_of

LOCAL: dict[str, Any] = {"devices": None, "runs_per_gpu": 1, "cpu_slots": None}
SWEEPER: dict[str, Any] = {"params": None, "max_attempts": 3, "fail_fast": False}
SEARCH: dict[str, Any] = {"n_trials": 1, "n_jobs": 1, "max_failure_rate": 1, "storage": None}
WRONG = [
    *(
        (LocalLauncher, LOCAL, "runs_per_gpu", value)
        for value in (0, -1, 1.5, 0.3, float("nan"), float("inf"))
    ),
    *((LocalLauncher, LOCAL, "runs_per_gpu", value) for value in (None, "many", [1])),
    *((LocalLauncher, LOCAL, "devices", value) for value in (0, "0", [-1], [0.5], {"a": 1})),
    *((LocalLauncher, LOCAL, "cpu_slots", value) for value in (0, -1, 1.5, "all", [2])),
    *((OverparamSweeper, SWEEPER, "max_attempts", value) for value in (0, -1, 1.5, None)),
    *((OverparamSweeper, SWEEPER, "fail_fast", value) for value in ("maybe", None, 2)),
    *((OptunaSearch, SEARCH, "n_trials", value) for value in (0, -1, 1.5, None)),
    *((OptunaSearch, SEARCH, "n_jobs", value) for value in (0, -1, None)),
    *((OptunaSearch, SEARCH, "max_failure_rate", value) for value in (-0.1, 1.1, None)),
]


@pytest.mark.parametrize(("plugin", "knobs", "key", "value"), WRONG)
def test_a_knob_that_means_nothing_is_refused(
    plugin: Any, knobs: dict[str, Any], key: str, value: Any
) -> None:
    section = "launcher" if plugin is LocalLauncher else "sweeper"
    with pytest.raises(ConfigError, match=rf"^hydra\.{section}\.{key}\b.* must be [^\n]*, got [^\n]*$"):
        plugin(**{**knobs, key: value}).setup(hydra_context=None, task_function=None, config=None)


@pytest.mark.parametrize(
    "knobs", [LOCAL, {**LOCAL, "devices": []}, {**LOCAL, "devices": [0, 2], "cpu_slots": 1}]
)
@pytest.mark.parametrize("runs_per_gpu", [1, 3, 2.0, 0.5, 0.25, 0.333])
def test_others_are_taken(knobs: dict[str, Any], runs_per_gpu: float) -> None:
    launcher: Any = LocalLauncher(**{**knobs, "runs_per_gpu": runs_per_gpu})
    launcher.setup(hydra_context=None, task_function=None, config=None)


def test_so_are_those_of_ray_and_slurm() -> None:
    def ray(init: dict[str, Any], remote: dict[str, Any]) -> str | None:
        settings = {"init": {"address": "auto", **init}, "remote": remote}
        return Offer(launcher_of(RAY, ray_cfg=_Settings(settings))).obstacle

    assert ray({}, {"num_gpus": -1}) == "hydra.launcher.ray.remote.num_gpus must be 0 or more, got -1"
    assert ray({"num_cpus": 0}, {}) == "hydra.launcher.ray.init.num_cpus must be 1 or more, got 0"
    assert ray({"num_cpus": None}, {"num_gpus": 0.5, "max_retries": 0}) is None
    for key in ("timeout_min", "tasks_per_node", "gpus_per_node", "array_parallelism"):
        said = Offer(launcher_of(SUBMITIT, params={key: 0})).obstacle
        assert said == f"hydra.launcher.{key} must be 1 or more, got 0"
    assert Offer(launcher_of(SUBMITIT, params={"timeout_min": 5, "gpus_per_node": None})).obstacle is None


class _Settings(dict[str, Any]):
    """A config's sections as attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def test_a_diverged_trial_has_the_worst_value_and_other_failures_none() -> None:
    results = [0.25, Diverged("training loss is nan at step 1"), RunFailed("out of memory"), AssertionError()]

    def launch(job_overrides: Any, initial_job_idx: int) -> list[JobReturn]:
        jobs = []
        for result in results:
            failed = isinstance(result, Exception)
            jobs.append(JobReturn(status=JobStatus.FAILED if failed else JobStatus.COMPLETED))
            jobs[-1].return_value = result
        return jobs

    trials = Trials(launcher_of("mine", launch=staticmethod(launch)), float("inf"), "test_error")
    jobs = trials.launch([[]] * 4, 0)
    assert [job.status for job in jobs] == [JobStatus.COMPLETED] * 2 + [JobStatus.FAILED] * 2
    assert [job.return_value for job in jobs[:2]] == [0.25, float("inf")]
    assert (trials.count, trials.diverged, trials.failed, trials.good) == (4, 1, 2, 1)
    results[1:] = [ConfigError("model: width must be a positive integer, got 0")]
    with pytest.raises(ConfigError, match="width"):
        trials.launch([[]] * 2, 4)


@pytest.mark.parametrize(
    ("choice", "package"),
    [
        ("hydra/launcher=ray_cluster", "ray"),
        ("hydra/launcher=slurm", "submitit"),
        ("sweep=optuna", "optuna"),
    ],
)
def test_a_missing_package_is_named_in_one_line(choice: str, package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    done = command_line("train.py", "-m", choice, "seed=0,1")
    assert done.returncode == 2
    extra = {"submitit": "slurm"}.get(package, package)
    assert done.stderr.startswith("error: hydra")
    assert done.stderr.endswith(f" is missing: pip install 'overparam[{extra}]'\n")
    assert done.stderr.count("\n") == 1


def test_other_errors_name_no_package() -> None:
    for message in ("Could not find 'hydra/launcher/loca'", "Could not find 'model/ray'", "ray"):
        assert what_to_install(message) is None
