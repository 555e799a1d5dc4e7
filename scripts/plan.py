"""Say what a command line of train.py would run, and what it would cost; installed as overparam-plan."""

import sys

from overparam.commands.plan import main

# Hydra's completion of `python scripts/plan.py` looks for the word @hydra.main in this file.
if __name__ == "__main__":
    sys.exit(main())
