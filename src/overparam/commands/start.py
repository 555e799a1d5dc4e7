"""How commands start and end."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

from overparam.caller import use_callers_files
from overparam.errors import TERMINATED, ExpectedError, Terminated, end_on_sigterm, fail


def start(command: Callable[[], int]) -> int:
    """Call a command and return its exit code.

    It is the command's own, 2 after an expected error, which is told in a line, 130 after Ctrl-C, 143 after SIGTERM.
    """
    end_on_sigterm()
    try:
        return command()
    except ExpectedError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    except Terminated:
        print("terminated; the same command continues", file=sys.stderr)
        return TERMINATED


def start_hydra(run: Callable[[], object]) -> int:
    """Call a command's Hydra main and return its exit code, see `start`."""
    return start(partial(_run_hydra, run))


def _run_hydra(run: Callable[[], object]) -> int:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line is ours
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    try:
        use_callers_files(_config_dir(sys.argv[1:]))
        run()
    except (HydraException, OmegaConfBaseException) as error:
        return fail(what_to_install(str(error)) or error)
    except (RuntimeError, ImportError) as error:
        if needed := what_to_install(str(error)):
            return fail(needed)
        raise
    return 0


# Launchers and sweepers of other packages: by a word of their config's or class's name, the plugin, what to install.
PLUGINS = {
    "ray": ("hydra_ray_launcher", "overparam[ray]"),
    "submitit": ("hydra_submitit_launcher", "overparam[slurm]"),
    "optuna": ("hydra_optuna_sweeper", "overparam[optuna]"),
    "joblib": ("hydra_joblib_launcher", "hydra-joblib-launcher"),
    "rq": ("hydra_rq_launcher", "hydra-rq-launcher"),
    "ax": ("hydra_ax_sweeper", "hydra-ax-sweeper"),
    "nevergrad": ("hydra_nevergrad_sweeper", "hydra-nevergrad-sweeper"),
}


def what_to_install(message: str) -> str | None:
    """Return what to install, if an error's message is about a launcher or sweeper whose package is missing.

    Example:
        >>> what_to_install("Could not find 'hydra/launcher/rq'")
        "hydra/launcher/rq is missing: pip install 'hydra-rq-launcher'"
    """
    named = r"hydra/(?:launcher|sweeper)/|hydra_plugins\.hydra_"
    for word, (plugin, package) in PLUGINS.items():
        found = re.search(rf"(?:{named}){word}\w*", message)
        if found and find_spec(f"hydra_plugins.{plugin}") is None:
            return f"{found[0]} is missing: pip install '{package}'"
    return None


def _config_dir(arguments: Sequence[str]) -> str | None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c")  # else argparse would take -c for -cd
    return parser.parse_known_args(arguments)[0].config_dir
