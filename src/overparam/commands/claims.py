"""Judge the field's claims by runs of this machine, and write the ledger.

overparam-claims                          all claims; what is trained already is not trained again
overparam-claims --only 01_model_wise     one of them, or several
overparam-claims --only my_claim.yaml     a claim of your own
overparam-claims --seeds 5 6 7 8 9        other seeds, in a ledger of their own
overparam-claims --config-dir configs     your own configs/claim/ too, with experiments and studies of yours
overparam-claims --publish                and write CLAIMS.md and its figures, from all claims
overparam-claims seal --only my_claim.yaml
                                          write down rule, runs and code beside it, before any run of it exists
overparam-claims merge A B                pool ledgers of several labs, folders or claims.json, in logs/claims/merged
"""

import argparse
import hashlib
import logging
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from overparam.caller import use_callers_files
from overparam.commands.start import quiet, say_starting, start
from overparam.errors import ConfigError, ExpectedError, counted, one_line, printable
from overparam.runs.names import LONGEST

if TYPE_CHECKING:
    from overparam.claims.ledger import Entry

# An error of these is told by its message alone.
SAYS_ALL = (ExpectedError, RuntimeError, ValueError, OSError)


def main() -> int:
    """Make the ledger of the command line; 1 if a claim could not be judged, 2 if nothing was asked rightly."""
    return start(_claims)


def _claims() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="seal | merge A B", help="default: judge")
    parser.add_argument("--only", nargs="+", help="names of configs/claim/, or paths of YAML files")
    parser.add_argument("--seeds", nargs="+", type=int, help="default: as many as the claim says")
    parser.add_argument("--logs", type=Path, default=Path("logs"), help="where runs go; default: logs")
    parser.add_argument("--config-dir", type=Path, help="a folder of your own configs beside the lab's")
    parser.add_argument("--publish", action="store_true", help="write CLAIMS.md from the whole ledger")
    arguments = parser.parse_intermixed_args()
    verb, *rest = arguments.words or ["judge"]
    if verb not in ("judge", "seal", "merge") or (rest and verb != "merge"):
        raise ConfigError(
            f"claims takes seal, or merge and ledgers, or options alone, got {' '.join(arguments.words)}"
        )
    use_callers_files(arguments.config_dir)
    quiet(logging.WARNING)
    for name in ("claims", "sweeps"):
        logging.getLogger(f"overparam.{name}").setLevel(logging.INFO)  # training may take hours
    if verb == "merge":
        return _merge([Path(name) for name in rest], arguments.logs / "claims" / "merged")
    say_starting()

    import torch

    from overparam.claims.claim import claim_files

    known = claim_files(arguments.config_dir)
    chosen = [Path(name) if name.endswith((".yaml", ".yml")) else name for name in arguments.only or known]
    paths = [known.get(name, Path(f"{name}.yaml")) if isinstance(name, str) else name for name in chosen]
    if twice := [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]:
        raise ConfigError(f"--only names {twice[0]} twice, and the ledger has one entry of a name")
    if arguments.seeds and len(set(arguments.seeds)) < len(arguments.seeds):
        raise ConfigError(f"--seeds names a seed twice: {' '.join(map(str, arguments.seeds))}")
    if arguments.seeds and min(arguments.seeds) < 0:
        raise ConfigError(f"--seeds must be 0 or more, got {min(arguments.seeds)}")
    torch.set_num_threads(1)  # the matrices are small, and more threads only wait for each other
    return _seal(paths, arguments) if verb == "seal" else _judge(paths, arguments)


def _judge(paths: Sequence[Path], arguments: argparse.Namespace) -> int:
    from overparam.claims.claim import load_claim
    from overparam.claims.judge import judge
    from overparam.claims.ledger import read_entries, save_entry, write_ledger
    from overparam.claims.publish import publish
    from overparam.claims.trained import Setup

    claims = [load_claim(path, arguments.config_dir) for path in paths]
    out = arguments.logs / "claims"
    if arguments.seeds:
        out /= _folder(arguments.seeds)
    out.mkdir(parents=True, exist_ok=True)
    before = {entry.name: entry for entry in read_entries(out)}
    failed = 0
    for path, claim in zip(paths, claims, strict=True):
        setup = Setup(arguments.logs, tuple(arguments.seeds or claim.first_seeds), arguments.config_dir)
        try:
            entry = judge(path, setup, out, not arguments.seeds, before.get(path.stem))
        except Exception as error:
            failed += 1
            print(f"{printable(path.stem)}: could not be judged: {_why(error)}", file=sys.stderr)
            continue
        save_entry(entry, out)
        write_ledger(out)
        _say(f"{entry.name}: {entry.verdict} ({entry.seconds:.0f} s)")
        if len(entry.codes) > 1:
            _say(f"    its runs were made by {len(entry.codes)} codes: {'; '.join(entry.codes)}")
        for line in (*entry.effect_lines, *entry.notes):
            _say(f"    {line}")
    _say(str(out / "ledger.md"))
    if arguments.publish:
        _say(str(publish(out, Path.cwd())))
    return 1 if failed else 0


def _seal(paths: Sequence[Path], arguments: argparse.Namespace) -> int:
    from overparam.claims.claim import load_claim
    from overparam.claims.ledger import read_entries
    from overparam.claims.publish import published_entries
    from overparam.claims.seal import seal, seal_file
    from overparam.claims.trained import Setup

    if not arguments.only:
        raise ConfigError("seal needs --only: the claims that are to be sealed")
    if arguments.seeds:
        raise ConfigError("seal takes no --seeds: a claim's file says which are judged")
    claims = [load_claim(path, arguments.config_dir) for path in paths]
    out = arguments.logs / "claims"
    ledgers = [out, *(folder for folder in sorted(out.glob("*")) if folder.is_dir())]
    known = [*published_entries(Path.cwd()), *(entry for folder in ledgers for entry in read_entries(folder))]
    failed = 0
    for path, claim in zip(paths, claims, strict=True):
        setup = Setup(arguments.logs, claim.first_seeds, arguments.config_dir)
        try:
            made = seal(path, claim, setup, [seed for e in known if e.name == path.stem for seed in e.seeds])
        except Exception as error:
            failed += 1
            print(f"{printable(path.stem)}: not sealed: {_why(error)}", file=sys.stderr)
            continue
        _say(f"{path.stem}: sealed {made.time}: {seal_file(path)}; commit it with the claim")
        for name, pilot in made.pilot.items():
            _say(f"    {name} needs {counted(pilot.needed, 'seed')}")
    return 1 if failed else 0


def _merge(ledgers: Sequence[Path], out: Path) -> int:
    from overparam.claims.ledger import save_entry, write_ledger
    from overparam.claims.merge import merge, read_ledger

    if len(ledgers) < 2:
        raise ConfigError(
            "merge needs two ledgers or more: folders such as logs/claims, or claims.json files"
        )
    if taken := [path for path in ledgers if out.resolve() in (path.resolve(), path.resolve().parent)]:
        raise ConfigError(f"{taken[0]} is where the pool goes: name the ledgers that it was made from")
    found: dict[str, list[Entry]] = {}
    for path in ledgers:
        for entry in read_ledger(path):
            found.setdefault(entry.name, []).append(entry)
    out.mkdir(parents=True, exist_ok=True)
    for file in out.glob("[!.]*.json"):  # of an earlier merge
        file.unlink()
    failed = 0
    for name, entries in found.items():
        try:
            entry, said = merge(entries)
        except ConfigError as error:
            failed += 1
            print(f"{printable(name)}: cannot be pooled: {one_line(error)}", file=sys.stderr)
            continue
        save_entry(entry, out)
        _say(
            f"{name}: {entry.verdict} ({counted(len(entry.seeds), 'seed')} of {counted(len(entries), 'ledger')})"
        )
        for line in (*said, *entry.effect_lines, *entry.notes):
            _say(f"    {line}")
    _say(str(write_ledger(out)))
    return 1 if failed else 0


def _why(error: Exception) -> str:
    """Return in a line why one claim is not done; of an error that its own functions may have made, where too."""
    if isinstance(error, SAYS_ALL):
        return one_line(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {one_line(error)} ({place.filename}:{place.lineno})"


def _folder(seeds: Sequence[int]) -> str:
    """Return the name of the ledger of some seeds; of many, which no name can hold, by a hash."""
    name = f"seeds-{'-'.join(map(str, seeds))}"
    if len(name) <= LONGEST:
        return name
    return f"seeds-{seeds[0]}-to-{seeds[-1]}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def _say(line: str) -> None:
    """Print a line, in which texts of others may stand."""
    print(printable(line), flush=True)
