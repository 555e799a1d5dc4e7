"""The lab from Python: compose a config, train it, load what was trained; tables are `overparam.analysis.collect`."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf, open_dict

from overparam.caller import search_path, use_callers_files
from overparam.compat_hydra import config_groups
from overparam.errors import ConfigError
from overparam.libraries import hush
from overparam.paths import CONFIGS
from overparam.runs.choices import record_choices
from overparam.runs.keys import refuse_unknown_keys
from overparam.runs.overrides import explain, is_refused_config
from overparam.training.finished import FinishedRun, load_run
from overparam.training.run import train as train_run


def compose(overrides: str | Sequence[str] = (), config_dir: str | Path | None = None) -> DictConfig:
    """Return the config of one run, as `overparam-train <overrides>` would train it.

    Args:
        overrides: what the command line would say, one override an element.
        config_dir: a folder of your own configs, as `--config-dir`.

    Raises:
        ConfigError: if there is no such config, or it has a key that nothing reads.

    Example:
        >>> cfg = compose(["model=cnn5", "data=cifar10", "model.width=16"])
        >>> cfg.model.width, cfg.data.batch_size
        (16, 128)
    """
    use_callers_files(config_dir)
    words = [overrides] if isinstance(overrides, str) else list(overrides)
    try:
        with _hydra_of_our_own():
            cfg = hydra_compose("train", [*words, *search_path(config_dir)], return_hydra_config=True)
            chosen: Any = OmegaConf.to_container(cfg.hydra.runtime.choices)
            groups = config_groups(GlobalHydra.instance().config_loader(), chosen)
    except Exception as error:
        if not is_refused_config(error, config_dir):
            raise
        raise ConfigError(explain(error, config_dir)) from error
    with open_dict(cfg):
        del cfg["hydra"]
    refuse_unknown_keys(cfg, groups)
    record_choices(cfg, chosen, groups)
    return cfg


@contextmanager
def _hydra_of_our_own() -> Iterator[None]:
    """Set Hydra up for the lab's configs, whatever it is set up for, and put that back."""
    there = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = there


def train(cfg: DictConfig | str | Sequence[str]) -> dict[str, Any]:
    """Train one run, or what is left of it, and return its summary; a finished run is returned as it stands.

    Random state and threads of the calling process are afterwards what they were.

    Args:
        cfg: a config that `compose` made, or the overrides to compose it from.

    Raises:
        ConfigError: before anything is written, if the run could not be trained as asked.
        AlreadyRunning: if another process is training the run.

    Example:
        >>> train(["model.width=4", "trainer.max_steps=5", "logger=local"])["steps"]
        5
    """
    if not isinstance(cfg, DictConfig):
        cfg = compose(cfg)
    use_callers_files()
    threads = torch.get_num_threads()
    gpus = range(0 if cfg.trainer.accelerator == "cpu" else torch.cuda.device_count())
    with warnings.catch_warnings(), torch.random.fork_rng(gpus, device_type="cuda"):
        hush()
        try:
            return train_run(cfg)
        finally:
            torch.set_num_threads(threads)


def load(run_dir: str | Path) -> FinishedRun:
    """Load a finished run: its config, its network with the trained weights, its data.

    Returns:
        A run with `cfg`, `net` (in eval mode), `train` and `test` (each with `x` and `y`), `summary` and
        `predict(x)`.

    Raises:
        ConfigError: if the run is not finished, or its weights are gone.

    Example:
        >>> summary = train(["model.width=4", "trainer.max_steps=5", "logger=local"])
        >>> run = load(f"logs/runs/{summary['identity']}")
        >>> wrong = run.predict(run.test.x).argmax(1) != run.test.y
        >>> wrong.double().mean().item() == run.summary["test_error"]
        True
    """
    use_callers_files()
    return load_run(Path(run_dir))
