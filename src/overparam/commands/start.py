"""What every command does first, and how the ones that Hydra composes end."""

import argparse
import filecmp
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from overparam.errors import ConfigError, ExpectedError, fail
from overparam.paths import CONFIGS


def use_callers_files(config_dir: str | Path | None = None) -> None:
    """Make the caller's modules importable and read the caller's `.env`.

    Both are looked for in the working directory, then beside the caller's configs: with `lab/configs`, in `lab`.
    A variable that is set already keeps its value. Processes that are started later inherit both.

    Raises:
        ConfigError: if one of the caller's configs would never be read, for the lab has one of its name.
    """
    folders = [Path.cwd()]
    if config_dir is not None:
        configs = Path(config_dir).absolute()
        folders.append(configs.parent)
        _refuse_hidden_configs(configs)
    sys.path[:0] = [str(folder) for folder in folders if str(folder) not in sys.path]
    for file in (folder / ".env" for folder in folders):
        if file.is_file():
            from dotenv import load_dotenv

            load_dotenv(file)


def _refuse_hidden_configs(configs: Path) -> None:
    for path in sorted(configs.rglob("*.yaml")):
        name = path.relative_to(configs)
        if (ours := CONFIGS / name).exists() and not filecmp.cmp(path, ours, shallow=False):
            raise ConfigError(f"{path} would never be read: the lab has a {name} of its own, so rename yours")


def start_hydra(run: Callable[[], object]) -> int:
    """Call a command's Hydra main and return its exit code: 0, 2 after an expected error, 130 after Ctrl-C."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line is ours
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    try:
        use_callers_files(_config_dir(sys.argv[1:]))
        run()
    except (ExpectedError, HydraException, OmegaConfBaseException) as error:
        return fail(error)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


def _config_dir(arguments: Sequence[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c")  # else argparse would take -c for -cd
    return parser.parse_known_args(arguments)[0].config_dir
