"""Judge the field's claims by runs of this machine; installed as overparam-claims."""

import sys

from overparam.commands.claims import main

if __name__ == "__main__":
    sys.exit(main())
