"""Where the lab's own configs are, in a checkout and when the lab is installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED, _CHECKOUT = _PACKAGE / "configs", _PACKAGE.parents[1] / "configs"

CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
