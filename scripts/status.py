"""Say how a sweep stands that runs elsewhere; installed as overparam-status."""

import sys

from overparam.commands.status import main

if __name__ == "__main__":
    sys.exit(main())
