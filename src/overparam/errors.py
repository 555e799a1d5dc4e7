"""What a person who gives a command can get wrong or meet, and how every command says it."""

import sys


class ExpectedError(Exception):
    """Something to be told in one line, without a traceback; the message is that line."""


class ConfigError(ExpectedError):
    """A run that cannot be started as asked; the message is one line: what is wrong and what to do."""


def fail(error: Exception | str) -> int:
    """Print the error in one line, and return the exit code 2."""
    message = " ".join(str(error).split()).partition(" Config search path:")[0]
    print(f"error: {message}", file=sys.stderr)
    return 2
