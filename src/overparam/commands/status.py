"""Say how a sweep stands that runs elsewhere: overparam-status logs/model_wise."""

import argparse
from pathlib import Path

from overparam.caller import use_callers_files
from overparam.commands.start import say_starting, start
from overparam.errors import counted, describe_os_error, fail, printable


def main() -> int:
    """Print the state of a folder's runs; return 1 if some have failed or cannot be read, 2 without a folder."""
    return start(_say_status)


def _say_status() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep's folder, <paths.logs>/<name>")
    folder = parser.parse_args().folder
    use_callers_files()
    if not folder.is_dir():
        return fail(f"there is no folder {folder}")
    say_starting()
    from overparam.runs.state import State, read_failure, run_directories, state
    from overparam.sweeps.progress import print_failures, print_running

    runs, unreadable = {}, False
    for run_dir in run_directories(folder):
        try:
            runs[run_dir] = state(run_dir)
        except OSError as error:
            unreadable = True
            fail(describe_os_error(error))
    counts = {name: list(runs.values()).count(name) for name in State}
    print(
        f"{printable(str(folder))}: {counted(len(runs), 'run')}, "
        + ", ".join(f"{count} {name}" for name, count in counts.items())
    )
    print_running([run_dir for run_dir, name in runs.items() if name == State.RUNNING])
    failures = {run_dir: read_failure(run_dir) for run_dir, name in runs.items() if name == State.FAILED}
    recorded = {run_dir: failure for run_dir, failure in failures.items() if failure is not None}
    if recorded:
        print_failures(recorded)
    return 1 if failures or unreadable else 0
