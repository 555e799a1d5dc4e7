"""Put the lab's measurements under closed forms; installed as overparam-theory."""

import sys

from overparam.commands.theory import main

if __name__ == "__main__":
    sys.exit(main())
