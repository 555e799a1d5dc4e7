"""How the commands that Hydra composes start and end."""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from overparam.caller import use_callers_files
from overparam.errors import ConfigError, ExpectedError, fail
from overparam.runs.overrides import explain


def start_hydra(run: Callable[[], object]) -> int:
    """Call a command's Hydra main and return its exit code: 0, 2 after an expected error, 130 after Ctrl-C."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line is ours
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    options = _options(sys.argv[1:])
    try:
        _refuse_contradictions(options)
        use_callers_files(options.config_dir)
        if options.info:  # Hydra prints it through its loggers, to a handler of its own
            logging.getLogger("hydra").setLevel(logging.NOTSET)
            logging.getLogger().handlers.clear()
        run()
    except ExpectedError as error:
        return fail(error)
    except (HydraException, OmegaConfBaseException) as error:
        return fail(explain(error, options.config_dir))
    except ValueError as error:
        if "hydra" not in Path(traceback.extract_tb(error.__traceback__)[-1].filename).parts:
            raise
        return fail(explain(error, options.config_dir))  # Hydra's own, of an override such as logger=null
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what Hydra's own options say, of which it refuses some combinations with a traceback."""
    parser = argparse.ArgumentParser(add_help=False)
    for name, short in (("--config-dir", "-cd"), ("--cfg", "-c"), ("--package", "-p")):
        parser.add_argument(name, short)
    parser.add_argument("--info", "-i", nargs="?", const="all")
    for name, short in (
        ("--multirun", "-m"),
        ("--run", "-r"),
        ("--shell-completion", "-sc"),
        ("--help", "-h"),
    ):
        parser.add_argument(name, short, action="store_true")
    parser.add_argument("--resolve", action="store_true")
    return parser.parse_known_args(arguments)[0]


def _refuse_contradictions(options: argparse.Namespace) -> None:
    names = ("multirun", "run", "cfg", "info", "shell_completion")
    asked = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)]
    if options.help:
        return
    if len(asked) > 1:
        raise ConfigError(
            f"{' and '.join(asked)} exclude each other: give one of them, --cfg to see a run's config"
        )
    if options.resolve and not options.cfg:
        raise ConfigError("--resolve goes with --cfg or --help: give --cfg job --resolve")
