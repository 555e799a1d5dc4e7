"""How the commands that Hydra composes start and end."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

from overparam.caller import use_callers_files
from overparam.errors import ExpectedError, fail


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
