"""What a person who gives a command can get wrong or meet, and how every command says it."""

import signal
import sys
from collections.abc import Iterable
from difflib import get_close_matches

TERMINATED = 128 + signal.SIGTERM  # exit code of a process that obeyed SIGTERM


class ExpectedError(Exception):
    """Something to be told in one line, without a traceback; the message is that line."""


class ConfigError(ExpectedError):
    """A run that cannot be started as asked; the message is one line: what is wrong and what to do."""


class Terminated(SystemExit):
    """The process was sent SIGTERM: it ends with exit code 143, and nothing has failed."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def end_on_sigterm() -> None:
    """Have SIGTERM raise `Terminated` in this process from now on, as Ctrl-C raises KeyboardInterrupt."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def did_you_mean(word: str, known: Iterable[object]) -> str:
    """Return the end of a message that names what `word` may be a misspelling of.

    Example:
        >>> did_you_mean("max_step", {"max_steps", "devices"})
        '; did you mean max_steps?'
    """
    close = get_close_matches(word, [str(name) for name in known], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def printable(text: str) -> str:
    r"""Return a text in which nothing moves a cursor, colours a terminal or cannot be encoded.

    Example:
        >>> printable("\x1b[31mred")
        '\\x1b[31mred'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(count: int, noun: str) -> str:
    """Return a number and what there are so many of.

    Example:
        >>> counted(1, "run"), counted(2, "finished run")
        ('1 run', '2 finished runs')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def one_line(error: Exception | str) -> str:
    """Return an error's message in one line; of Hydra's, what comes before its list of folders or types."""
    text = " ".join(str(error).split())
    for rest in (" Config search path:", " full_key:"):
        text = text.partition(rest)[0]
    return printable(text)


def describe_os_error(error: OSError) -> str:
    """Return what the file system, or the network, refuses and where: "Permission denied: /logs"."""
    if error.strerror is None:
        return str(error) or type(error).__name__
    return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"


def fail(error: Exception | str) -> int:
    """Print the error in one line, and return the exit code 2."""
    print(f"error: {one_line(error)}", file=sys.stderr)
    return 2
