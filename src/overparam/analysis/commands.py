"""The command that trains one run of a sweep again, from the command of the sweep."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from overparam.runs.choices import CHOICES

# What says that, where and how many runs are trained.
OF_A_SWEEP = re.compile(r"(-m|--multirun|\+{0,2}hydra([./]).*)$")
OVERRIDE = re.compile(r"(?P<sign>\+{0,2})(?P<key>[\w./@:-]+)=(?P<value>.*)", re.DOTALL)
SEVERAL = re.compile("[,(]")
# Columns of which a table has another word than a command: a class's short name, what stands for a path.
OTHERWISE = re.compile(r"(loss|init_from|continue_from|.*\._target_)$")
PLAIN = re.compile(r"[\w./:@%+-]+")  # what Hydra reads as it is


def run_command(command: str | None, values: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """Return the command line of one run, or None if it cannot be said in one.

    What is swept is set to the run's own value where the command sets it, else at its end, and so is what the command
    gives several values; the rest of it is kept, but for `-m` and what is Hydra's.

    Args:
        command: the sweep's, quoted for a shell, as `collect` has it; None if it is not known.
        values: the run's config values and choices by their columns.
        keys: the swept keys and the seed, if it varies: those that the command must set.

    Example:
        >>> run_command("train.py -m experiment=x model.width=4,16", {"model.width": 4, "seed": 0}, ["seed"])
        'python scripts/train.py experiment=x model.width=4 seed=0'
    """
    try:
        words = shlex.split(command or "")
    except ValueError:  # it was recorded unquoted
        return None
    if not words or any(OTHERWISE.match(key) for key in keys):
        return None
    kept, done = [], set[str]()
    for word in words[1:]:
        found = OVERRIDE.fullmatch(word)
        name = found["key"] if found else ""
        choice = f"{CHOICES}.{name}"
        column = choice if choice in values else name
        if OF_A_SWEEP.match(word):
            continue
        is_own = found and column in values and not OTHERWISE.match(column)
        if found and is_own and (column in keys or SEVERAL.search(found["value"])):
            done.add(column)
            word = f"{found['sign']}{name}={_said(values[column], column)}"
        kept.append(word)
    missing = (key for key in keys if key in values and key not in done)
    kept += [f"{key.removeprefix(f'{CHOICES}.')}={_said(values[key], key)}" for key in missing]
    return as_typed(shlex.join([words[0], *kept]))


def as_typed(command: str) -> str:
    """Return a recorded command, which begins with the script's name, as it is typed in the lab's folder."""
    return f"python scripts/{command}" if command.split(maxsplit=1)[0] == "train.py" else command


def _said(value: Any, column: str) -> str:
    """Return a value as Hydra reads it back."""
    if isinstance(value, str) and column.startswith(f"{CHOICES}.") and "," in value:
        return f"[{value}]"  # several of a group
    if isinstance(value, str) and value.startswith("["):
        return value  # a list, which a table holds as JSON
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        escaped = re.sub(r"(\\*)(?='|$)", r"\1\1", value).replace("'", r"\'")
        return f"'{escaped}'"
    return value if isinstance(value, str) else json.dumps(value)
