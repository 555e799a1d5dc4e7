"""What the person who calls the lab brings along: modules, configs and a `.env`."""

import filecmp
import os
import sys
from pathlib import Path

from overparam.errors import ConfigError
from overparam.paths import CONFIGS


def use_callers_files(config_dir: str | Path | None = None) -> None:
    """Make the caller's modules importable and read the caller's `.env`.

    Both are looked for in the working directory, then beside the caller's configs: with `lab/configs`, in `lab`.
    A variable that is set already keeps its value. Processes that are started later, workers of Ray and jobs of SLURM
    among them, inherit both.

    Raises:
        ConfigError: if there is no such folder of configs, or one of them would never be read, for the lab has
            one of its name; if the working directory is gone, or a `.env` is no text.
    """
    try:
        folders = [Path.cwd()]
    except FileNotFoundError:
        raise ConfigError("the working directory is gone: change to a folder that is there") from None
    if config_dir is not None:
        configs = Path(config_dir).absolute()
        if not configs.is_dir():
            raise ConfigError(f"there is no folder of configs {configs}")
        _refuse_hidden_configs(configs)
        folders.append(configs.parent)
    names = [str(folder) for folder in folders]
    sys.path[:] = _put_first(names, sys.path)
    there = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    os.environ["PYTHONPATH"] = os.pathsep.join(_put_first(names, there))
    for file in (folder / ".env" for folder in folders):
        if file.is_file():
            from dotenv import load_dotenv

            try:
                load_dotenv(file)
            except UnicodeDecodeError as error:
                raise ConfigError(
                    f"{file} is not UTF-8, from byte {error.start} on: save it as UTF-8"
                ) from error


def search_path(config_dir: str | Path | None) -> list[str]:
    """Return the overrides with which Hydra finds the caller's configs too, as with `--config-dir`."""
    if config_dir is None:
        return []
    folder = str(Path(config_dir).absolute()).replace("'", "\\'")
    return [f"hydra.searchpath=['file://{folder}']"]


def _put_first(folders: list[str], path: list[str]) -> list[str]:
    return [*(folder for folder in folders if folder not in path), *path]


def _refuse_hidden_configs(configs: Path) -> None:
    for path in sorted(configs.rglob("[!.]*.yaml")):
        name = path.relative_to(configs)
        if (ours := CONFIGS / name).exists() and not filecmp.cmp(path, ours, shallow=False):
            raise ConfigError(f"{path} would never be read: the lab has a {name} of its own, so rename yours")
