"""Put the lab's measurements under the closed forms of configs/theory/, and write the page of residuals.

overparam-theory                              all closed forms, into logs/theory/
overparam-theory --only ridge mei_montanari   some of them
overparam-theory --only my_formula.yaml       one of your own
overparam-theory --config-dir configs         your own configs/theory/ too

The exit code is 1 if a measurement differs from its theory by more than three standard errors.
"""

import argparse
import logging
from collections import Counter
from pathlib import Path

from overparam.caller import use_callers_files
from overparam.commands.start import quiet, say_starting, start
from overparam.errors import ConfigError, printable


def main() -> int:
    """Write the page of the command line; 1 if theory and measurement differ, 2 if nothing was asked rightly."""
    return start(_compare)


def _compare() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="names of configs/theory/, or paths of YAML files")
    parser.add_argument("--logs", type=Path, default=Path("logs"), help="where the page goes; default: logs")
    parser.add_argument("--config-dir", type=Path, help="a folder of your own configs beside the lab's")
    arguments = parser.parse_args()
    use_callers_files(arguments.config_dir)
    quiet(logging.WARNING)
    say_starting()

    from rich.console import Console
    from rich.table import Table

    from overparam.exact.comparison import entry_files, load_entry, measure
    from overparam.exact.page import HEAD, lines, write_page
    from overparam.sweeps.slots import cpu_count

    known = {name: path for name, path in entry_files(arguments.config_dir).items() if name[0] != "."}
    chosen = [Path(name) if name.endswith((".yaml", ".yml")) else name for name in arguments.only or known]
    paths = [known.get(name, Path(f"{name}.yaml")) if isinstance(name, str) else name for name in chosen]
    if twice := [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]:
        raise ConfigError(f"--only names {twice[0]} twice, and the page has one entry of a name")
    entries = {path.stem: load_entry(path) for path in paths}
    out = arguments.logs / "theory"
    out.mkdir(parents=True, exist_ok=True)
    found = measure(entries, cpu_count())
    said = lines(entries, found)
    table = Table("", *HEAD)
    for column in table.columns:
        column.no_wrap = True
    for row in said:
        table.add_row(
            row["entry"], *(row[key] for key in HEAD), style=None if row["verdict"] == "agrees" else "red"
        )
    console = Console(soft_wrap=True, highlight=False)
    console.width = max(
        console.width, console.measure(table, options=console.options.update(width=9999)).maximum
    )
    console.print(table)
    for path in write_page(entries, found, out):
        print(printable(str(path)))
    off = [row for row in said if row["verdict"] != "agrees"]
    print(f"{len(said) - len(off)} of {len(said)} measurements are within three standard errors of theory")
    return 1 if off else 0
