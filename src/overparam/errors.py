"""What a person who gives a command can get wrong or meet, and how every script says it."""

import logging
import os
import sys
from collections.abc import Callable


class ExpectedError(Exception):
    """Something to be told in one line, without a traceback; the message is that line."""


class ConfigError(ExpectedError):
    """A run that cannot be started as asked; the message is one line: what is wrong and what to do."""


def run_script(script: Callable[[], object]) -> int:
    """Call a script's Hydra main and return its exit code: 0, 2 after an expected error, 130 after Ctrl-C."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the line is ours
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it logs what it raises
    try:
        script()
    except (ExpectedError, HydraException, OmegaConfBaseException) as error:
        return fail(error)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


def fail(error: Exception | str) -> int:
    """Print the error in one line, and return the exit code 2."""
    message = " ".join(str(error).split()).partition(" Config search path:")[0]
    print(f"error: {message}", file=sys.stderr)
    return 2
