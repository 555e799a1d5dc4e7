"""Make the figures, tables and local page of a sweep again: overparam-report logs/model_wise."""

import argparse
import logging
from pathlib import Path

from overparam.caller import use_callers_files
from overparam.commands.start import quiet, say_starting, start
from overparam.errors import ConfigError, counted, fail, printable
from overparam.loggers.wandb_start import asked_mode


def main() -> int:
    """Report on the folder named on the command line; return the exit code."""
    return start(_report)


def _report() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep's folder, <paths.logs>/<name>")
    parser.add_argument(
        "--workspace",
        action="store_true",
        help="save a W&B view of the sweep instead (needs wandb-workspaces)",
    )
    parser.add_argument(
        "--sync",
        action="store_true",
        help="instead, send W&B what it lacks of the finished runs, which logged offline or lost its server",
    )
    own = parser.add_argument_group(
        "a figure of your own, to <folder>/report/views/", "what is left out is chosen for you"
    )
    own.add_argument("--x", metavar="COLUMN", help="a swept key such as width, what was measured, or step")
    own.add_argument(
        "--y", metavar="COLUMN", help="what was measured, two with a comma; by itself test_error"
    )
    own.add_argument("--color", metavar="KEY", help="the swept key of the colours")
    own.add_argument("--facet", metavar="KEY", help="the swept key of the panels")
    arguments = parser.parse_args()
    asked = [name for name in ("x", "y", "color", "facet", "workspace", "sync") if getattr(arguments, name)]
    if len(asked) > 1 and {"workspace", "sync"} & {*asked}:
        raise ConfigError(f"--{' and --'.join(asked)} exclude each other: give a command for each")
    use_callers_files()
    folder = arguments.folder.resolve()
    quiet(logging.WARNING)
    say_starting()
    from overparam.analysis.report import draw_view, report, workspace
    from overparam.runs.views import View

    if arguments.sync or arguments.workspace:
        asked_mode()
    view = View(arguments.x, arguments.y, arguments.color, arguments.facet)
    if view != View():
        for file in draw_view(folder, view):
            print(printable(str(file)))
        return 0
    if arguments.sync:
        from overparam.runs.state import run_directories
        from overparam.training.loggers import send_rest

        sent = sum(map(send_rest, run_directories(folder)))
        print(f"{counted(sent, 'run')} had something that W&B lacked")
        return 0
    if not arguments.workspace:
        report(folder)
        return 0
    import wandb

    try:
        print(workspace(folder))
    except wandb.Error as error:
        return fail(f"W&B: {error}; `wandb login` or WANDB_API_KEY gives it a key")
    except ImportError as error:
        return fail(f"{error.name} is missing: pip install wandb-workspaces==0.4.13")
    return 0
