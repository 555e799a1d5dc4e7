"""Which runs of a sweep are trained together, as it was decided once: `packs.json` in the sweep's folder.

Packed runs equal each other bit for bit only in the same company. So a pack is written down before its first step, and
what is left of it is trained as that pack again; a larger grid adds packs and touches none.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from overparam.packs.speeds import ByMembers, by_members
from overparam.runs.damage import read_object, set_file_aside, what_is_wrong
from overparam.runs.summary import write_json

log = logging.getLogger(__name__)

PACKS = "packs.json"


@dataclass(frozen=True)
class Recorded:
    """Runs that are trained together, or one that is trained alone."""

    runs: tuple[str, ...]  # identities, in the order in which they stand
    cpu_threads: int

    @property
    def name(self) -> str:
        """Eight hexadecimal digits that the pack is called by in its runs' summaries."""
        return hashlib.sha256("\n".join(self.runs).encode()).hexdigest()[:8]


def read_packs(folder: Path) -> list[Recorded]:
    """Return the packs of a sweep's folder; a record that cannot be read is set aside, and decided anew."""
    try:
        found = read_object(folder / PACKS)
        return [Recorded(tuple(map(str, pack["runs"])), int(pack["cpu_threads"])) for pack in found["packs"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        set_file_aside(folder / PACKS, what_is_wrong(error))
        return []


def read_speeds(folder: Path) -> dict[str, ByMembers]:
    """Return what was measured when the packs of a sweep's folder were decided, see `packs.speeds`."""
    try:
        return {
            kind: by_members(found) for kind, found in read_object(folder / PACKS).get("speeds", {}).items()
        }
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}  # of a damaged file `read_packs` speaks


def write_packs(folder: Path, packs: Sequence[Recorded], speeds: Mapping[str, ByMembers]) -> None:
    """Write the packs of a sweep's folder, and what they were decided by."""
    measured = {"speeds": dict(speeds)} if speeds else {}
    write_json(folder / PACKS, {"packs": [asdict(pack) for pack in packs], **measured})
