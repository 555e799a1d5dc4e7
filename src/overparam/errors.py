"""What a person who gives a command can get wrong or meet, and how every command says it."""

import sys


class ExpectedError(Exception):
    """Something to be told in one line, without a traceback; the message is that line."""


class ConfigError(ExpectedError):
    """A run that cannot be started as asked; the message is one line: what is wrong and what to do."""


def one_line(error: Exception | str) -> str:
    """Return an error's message in one line; of Hydra's, what comes before its list of folders."""
    return " ".join(str(error).split()).partition(" Config search path:")[0]


def fail(error: Exception | str) -> int:
    """Print the error in one line, and return the exit code 2."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    return 2
