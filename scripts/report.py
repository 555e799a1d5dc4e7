"""Draw the figure and the table of a sweep again: python scripts/report.py logs/model_wise."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Report on the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep's folder, <paths.logs>/<name>")
    folder = parser.parse_args().folder
    from overparam.analysis.report import report

    try:
        report(folder)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
