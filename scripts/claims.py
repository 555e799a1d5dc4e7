"""Judge the field's claims by runs of this machine, and write the ledger.

python scripts/claims.py                          all claims; what is trained already is not trained again
python scripts/claims.py --only 01_model_wise     one of them, or several
python scripts/claims.py --seeds 5 6 7 8 9        other seeds
python scripts/claims.py --only my_claim.yaml     a claim of your own
"""

import argparse
import logging
import sys
import warnings
from pathlib import Path


def main() -> int:
    """Run the ledger of the command line; 1 if a claim could not be judged, 2 if nothing was asked rightly."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="names of configs/claim/, or paths of YAML files")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="default: 0 1 2 3 4")
    parser.add_argument("--logs", type=Path, default=Path("logs"), help="where runs go; default: logs")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=FutureWarning)

    import torch

    from overparam.assemble import ConfigError
    from overparam.claims.ledger import FOLDER, describe, judge, load_claim, save_entry, write_ledger
    from overparam.claims.sources import Place

    chosen = arguments.only or sorted(path.stem for path in FOLDER.glob("*.yaml"))
    paths = [Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml" for name in chosen]
    try:
        for path in paths:
            load_claim(path)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)  # the matrices are small, and more threads only wait for each other
    place = Place(arguments.logs, tuple(arguments.seeds))
    out = arguments.logs / "claims"
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path in paths:
        try:
            entry = judge(path, place, out)
        except (RuntimeError, ValueError, FileNotFoundError) as error:
            failed += 1
            print(f"{path.stem}: could not be judged: {error}", file=sys.stderr)
            continue
        save_entry(entry, out)
        write_ledger(out)
        print(f"{entry.name}: {entry.verdict} ({entry.seconds:.0f} s)", flush=True)
        for effect in entry.effects:
            print(f"    {effect.says}: {describe(effect)}: {effect.verdict}", flush=True)
    print(out / "ledger.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
