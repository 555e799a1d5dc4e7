"""Train one run, or with -m a sweep of runs; installed as overparam-train."""

import sys

from overparam.commands.train import main

# Hydra's completion of `python scripts/train.py` looks for the word @hydra.main in this file.
if __name__ == "__main__":
    sys.exit(main())
