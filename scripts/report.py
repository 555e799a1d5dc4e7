"""Make the figures, tables and local page of a sweep again; installed as overparam-report."""

import sys

from overparam.commands.report import main

if __name__ == "__main__":
    sys.exit(main())
