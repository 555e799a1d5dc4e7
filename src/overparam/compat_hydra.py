"""Every private or undocumented API of Hydra that the lab uses, each with the reason.

`tests/test_compat_hydra.py` checks that each still does what is relied on.
"""

import argparse
import copy
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import Any

from hydra._internal.config_repository import ConfigRepository
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.utils import JobReturn
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from omegaconf import DictConfig, OmegaConf, open_dict

HERE = Path(__file__).resolve().parents[1]  # the lab's code, and its plugins
# The module of Hydra's default launcher, to tell that jobs run in this process; it has no public name.
BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher"


@contextmanager
def lazy_help() -> Iterator[None]:
    """Let Hydra make its parser on Python 3.14, whose argparse looks into an option's help when the option is added.

    Hydra 1.3's help of `--shell-completion` is no text, but an object that becomes one when it is shown, and the
    parser is refused for it (Hydra's issue 3121).
    """
    parser: Any = argparse.ArgumentParser
    check = getattr(parser, "_check_help", None)  # not there before Python 3.14
    if check is None:
        yield
        return
    parser._check_help = lambda self, option: check(self, option) if isinstance(option.help, str) else None
    try:
        yield
    finally:
        parser._check_help = check


def config_groups(loader: ConfigLoader, choices: Iterable[object]) -> set[str]:
    """Return the names of the config groups that there are: those the loader sees, and those that were chosen from.

    `list_groups` serves Hydra's shell completion; it does not see the folders of `hydra.searchpath`.

    Args:
        loader: Hydra's config loader.
        choices: keys of `hydra.runtime.choices` of a composed config.
    """
    names = [*loader.list_groups(""), *map(str, choices)]
    return {re.split("[/@]", name)[0] for name in names}


def compose_job(
    loader: ConfigLoader, master: DictConfig, overrides: Sequence[str]
) -> tuple[DictConfig, dict[str, Any], set[str]]:
    """Return the config that a launcher composes for a job of a sweep, without `hydra`.

    Beside it: what was chosen of each group (`hydra.runtime.choices`), and `config_groups`.

    `load_sweep_config` is what Hydra's launchers call, and the one way to compose with the sweep's own search path
    and cached values; it is not documented.
    """
    cfg = loader.load_sweep_config(master, list(overrides))
    chosen: Any = OmegaConf.to_container(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, chosen, config_groups(loader, chosen)


def with_planned_configs(
    loader: ConfigLoader, planned: Callable[[Sequence[str]], DictConfig | None]
) -> ConfigLoader:
    """Return a loader for launchers that has the configs of some jobs at hand, and composes the others.

    Every launcher composes a job by `load_sweep_config` of the loader it was set up with, here, in a worker or on
    another machine; it is not documented.

    Args:
        loader: Hydra's own.
        planned: an importable function from a job's overrides to its config, without `hydra`, or to None.
    """
    own = copy.copy(loader)
    own.load_sweep_config = partial(_load_sweep_config, loader, planned)  # type: ignore[method-assign]
    return own


def _load_sweep_config(
    loader: ConfigLoader,
    planned: Callable[[Sequence[str]], DictConfig | None],
    master: DictConfig,
    overrides: Sequence[str],
) -> DictConfig:
    job = planned(overrides)
    if job is None:
        return loader.load_sweep_config(master, list(overrides))
    cfg = OmegaConf.masked_copy(master, ["hydra"])  # with its types, which Hydra asks for
    OmegaConf.set_struct(cfg, False)
    cfg.merge_with(job)
    OmegaConf.set_struct(cfg, True)
    OmegaConf.copy_cache(from_config=master, to_config=cfg)
    return cfg


def keep_configs(loader: Any, searchpath: Sequence[str]) -> None:
    """Have a loader compose from the config files as they are now, here and wherever it is sent to.

    Every sweeper and launcher composes a trial by `load_sweep_config` when its turn comes, from what the loader's
    `repository` finds then; neither that nor the folders' class, `FileConfigSource`, is documented.

    Args:
        loader: Hydra's own; it is changed.
        searchpath: the folders of `hydra.searchpath`, which Hydra looks up anew for each trial.
    """
    loader.repository = _KeptConfigs(loader.config_search_path, searchpath)


class _KeptFolder(FileConfigSource):
    """A folder of configs as it was when this was made."""

    def __init__(self, folder: Any) -> None:
        super().__init__(folder.provider, folder.path)
        root = Path(folder.path)
        below = [(".", root), *((str(path.relative_to(root)), path) for path in root.rglob("*"))]
        self.groups = {name for name, path in below if path.is_dir()}
        files = [(name, path) for name, path in below if name.endswith(".yaml") and path.is_file()]
        self.texts = {name: path.read_bytes() for name, path in files}  # maybe not all are texts, or chosen

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._normalize_file_name(config_path)
        if name not in self.texts:
            raise ConfigLoadError(f"Config not found : {config_path}")
        text = self.texts[name].decode()
        file = io.StringIO(text)
        file.name = f"{self.path}/{name}"  # for YAML's errors
        header = self._get_header_dict(text[:512])
        return ConfigResult(self.provider, self.full_path(), OmegaConf.load(file), header)

    def is_group(self, config_path: str) -> bool:
        return str(Path(config_path)) in self.groups

    def is_config(self, config_path: str) -> bool:
        return self._normalize_file_name(config_path) in self.texts

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        found: list[str] = []
        entries = {*self.texts, *self.groups - {"."}}
        for entry in (Path(name) for name in entries if Path(name).parent == Path(config_path)):
            self._list_add_result(found, str(entry), entry.name, results_filter)
        return sorted(set(found))


class _KeptConfigs(ConfigRepository):
    """What a loader finds configs in, with every folder as it was at first."""

    def __init__(self, path: ConfigSearchPath, more: Sequence[str]) -> None:
        self.folders: dict[str, _KeptFolder] = {}
        also = copy.deepcopy(path)
        for folder in more:
            also.append("hydra.searchpath", folder)
        self.initialize_sources(also)
        self.initialize_sources(path)

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        super().initialize_sources(config_search_path)
        self.sources = [self._kept(source) for source in self.sources]

    def _kept(self, source: Any) -> Any:
        if source.scheme() != "file":  # Hydra imports its classes twice, so that isinstance is no help
            return source
        if source.path not in self.folders:
            self.folders[source.path] = _KeptFolder(source)
        kept = copy.copy(self.folders[source.path])
        kept.provider = source.provider
        return kept


def result_of(job: JobReturn) -> Any:
    """Return what a job returned, or the exception it raised.

    The public `return_value` raises the exception, after a line on stderr for each.
    """
    return job._return_value


def is_raised_composing(error: Exception) -> bool:
    """Return whether Hydra raised an error while it composed a config.

    For a defaults list that is none, or names itself, it has no exception of its own; where its loader stands is not
    documented.
    """
    files = [Path(frame.f_code.co_filename) for frame, _ in walk_tb(error.__traceback__)]
    ours = [at for at, file in enumerate(files) if HERE in file.parents and file.name != Path(__file__).name]
    below = files[max(ours, default=-1) + 1 :]
    return any(file.parts[-3:] == ("hydra", "_internal", "config_loader_impl.py") for file in below)


def is_group_set_to_null(error: Exception) -> bool:
    """Return whether Hydra refused `group=null`, for which it has no exception of its own."""
    return isinstance(error, ValueError) and str(error).startswith("Config group override must be a string")
