"""Make the figures, tables and local page of a sweep again: python scripts/report.py logs/model_wise."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Report on the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep's folder, <paths.logs>/<name>")
    parser.add_argument(
        "--workspace",
        action="store_true",
        help="save a W&B view of the sweep instead (needs wandb-workspaces)",
    )
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    from overparam.analysis.report import report, workspace

    try:
        if arguments.workspace:
            print(workspace(folder))
        else:
            report(folder)
    except (FileNotFoundError, ValueError) as error:
        return fail(str(error))
    except ImportError as error:
        return fail(f"{error.name} is missing: pip install wandb-workspaces==0.4.13")
    return 0


def fail(reason: str) -> int:
    """Print the reason in one line."""
    print(f"error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
