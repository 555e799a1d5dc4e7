"""How commands start and end."""

import argparse
import logging
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec

from overparam.caller import use_callers_files
from overparam.compat_hydra import lazy_help
from overparam.errors import (
    TERMINATED,
    ConfigError,
    ExpectedError,
    Terminated,
    describe_os_error,
    end_on_sigterm,
    fail,
    one_line,
)
from overparam.garbage import skip_at_exit
from overparam.libraries import hush
from overparam.loggers.wandb_start import asked_by_agent
from overparam.machine import shortcomings, wait_asleep
from overparam.runs.overrides import explain, is_refused_config


def quiet(level: int) -> None:
    """Have the lab's own lines printed from a level on, and of libraries only what a person should act on."""
    logging.basicConfig(level=level, format="%(message)s")
    for name in ("hydra", "hydra_plugins", "alembic", "matplotlib"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("search", "sweeper"):
        logging.getLogger(f"hydra_plugins.overparam_{name}").setLevel(level)
    hush()


def say_starting() -> None:
    """Say that the command has begun, before imports that take seconds and print nothing.

    It is for people: on a terminal and in a log file, and not where a program reads stderr from a pipe.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # a further process of a distributed run
    with suppress(OSError, ValueError):  # a stream of Python's alone
        if sys.stderr.isatty() or stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode):
            print("starting", file=sys.stderr, flush=True)


def start(command: Callable[[], int]) -> int:
    """Call a command and return its exit code.

    It is the command's own, 2 after an error that `tell` tells in a line, 130 after Ctrl-C, 143 after SIGTERM.
    """
    end_on_sigterm()
    skip_at_exit()
    wait_asleep()
    if missing := shortcomings():
        print(f"note: {missing}", file=sys.stderr)
    try:
        return command()
    except Exception as error:
        return tell(error)
    except KeyboardInterrupt:
        _end_at_once_if_asked_again()
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    except Terminated:
        _end_at_once_if_asked_again()
        print("terminated; the same command continues", file=sys.stderr)
        return TERMINATED


def _end_at_once_if_asked_again() -> None:
    """Have what asks a process to end do so without a word, for it is on its way, with the same exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def tell(error: Exception) -> int:
    """Print in one line what a person or the file system did, and return the exit code 2; raise any other error."""
    from hydra.errors import HydraException

    config_dir = _options(sys.argv[1:]).config_dir
    if isinstance(error, ExpectedError):
        return fail(error)
    if isinstance(error, HydraException | RuntimeError | ImportError) and (
        needed := what_to_install(str(error))
    ):
        return fail(needed)
    if is_refused_config(error, config_dir):
        return fail(explain(error, config_dir))
    if is_out_of_memory(error):
        return fail(f"out of memory ({one_line(error)}): take a smaller model, or smaller batches")
    if isinstance(error, OSError):  # after Hydra's, one of which is an OSError too
        return fail(describe_os_error(error))
    raise error


def is_out_of_memory(error: Exception) -> bool:
    """Return whether Python, or torch on a CPU or a GPU, found no memory."""
    is_torchs = type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_torchs)


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


def start_hydra(run: Callable[[], object], starting: Callable[[], object] = say_starting) -> int:
    """Call a command's Hydra main and return its exit code, see `start`.

    Args:
        run: the Hydra main.
        starting: called before, unless only Hydra is asked something.
    """
    return start(partial(_run_hydra, run, starting))


def _run_hydra(run: Callable[[], object], starting: Callable[[], object]) -> int:
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line is ours
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    sys.argv[1:] = _overrides_last(sys.argv[1:])
    options = _options(sys.argv[1:])
    _refuse_contradictions(options)
    use_callers_files(options.config_dir)
    if options.info:  # Hydra prints it through its loggers, to a handler of its own
        logging.getLogger("hydra").setLevel(logging.NOTSET)
        logging.getLogger().handlers.clear()
    if not (options.info or options.cfg or options.help or options.shell_completion):
        starting()
    with lazy_help():
        run()
    return 0


def _overrides_last(arguments: Sequence[str]) -> list[str]:
    """Return a command line with its overrides in one piece, for Hydra's parser refuses those after an option.

    Lightning adds overrides to the end when it starts the other processes of a distributed run.
    """
    left = list(arguments)
    overrides = [word for word in _parser().parse_known_args(left)[1] if re.match(r"[^-][^=]*=|~", word)]
    places = [left.index(word) for word in overrides]
    if not places or max(places) - min(places) < len(places):
        return left
    for word in overrides:
        left.remove(word)
    return [*left, *overrides]


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what Hydra's own options say, of which it refuses some combinations with a traceback."""
    return _parser().parse_known_args(arguments)[0]


def _parser() -> argparse.ArgumentParser:
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
    return parser


def _refuse_contradictions(options: argparse.Namespace) -> None:
    names = ("multirun", "run", "cfg", "info", "shell_completion")
    asked = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name)]
    if options.help:
        return
    if len(asked) > 1:
        raise ConfigError(
            f"{' and '.join(asked)} exclude each other: give one of them, --cfg to see a run's config"
        )
    if options.multirun and asked_by_agent():
        raise ConfigError(
            "a W&B agent asks for one run at a time, and gives it its id: leave -m out of its command"
        )
    if options.shell_completion and not any(
        word.startswith(("install=", "uninstall=", "query=")) for word in sys.argv
    ):
        raise ConfigError(
            "--shell-completion goes with install=bash, uninstall=bash or query=bash, or zsh, or fish"
        )
    if options.resolve and not options.cfg:
        raise ConfigError("--resolve goes with --cfg or --help: give --cfg job --resolve")
