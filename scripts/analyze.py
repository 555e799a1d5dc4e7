"""Apply a study to the finished runs of a sweep; installed as overparam-analyze."""

import sys

from overparam.commands.analyze import main

# Hydra's completion of `python scripts/analyze.py` looks for the word @hydra.main in this file.
if __name__ == "__main__":
    sys.exit(main())
