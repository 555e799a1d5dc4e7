"""Judge the field's claims by runs of this machine, and write the ledger.

overparam-claims                          all claims; what is trained already is not trained again
overparam-claims --only 01_model_wise     one of them, or several
overparam-claims --only my_claim.yaml     a claim of your own
overparam-claims --seeds 5 6 7 8 9        other seeds, in a ledger of their own
overparam-claims --config-dir configs     your own configs/claim/ too, with experiments and studies of yours
overparam-claims --publish                and write CLAIMS.md and its figures, from all claims
"""

import argparse
import logging
import sys
from pathlib import Path

from overparam.caller import use_callers_files
from overparam.commands.start import quiet, say_starting, start
from overparam.errors import ExpectedError, one_line


def main() -> int:
    """Make the ledger of the command line; 1 if a claim could not be judged, 2 if nothing was asked rightly."""
    return start(_judge_claims)


def _judge_claims() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="names of configs/claim/, or paths of YAML files")
    parser.add_argument("--seeds", nargs="+", type=int, help="default: as many as the claim says")
    parser.add_argument("--logs", type=Path, default=Path("logs"), help="where runs go; default: logs")
    parser.add_argument("--config-dir", type=Path, help="a folder of your own configs beside the lab's")
    parser.add_argument("--publish", action="store_true", help="write CLAIMS.md from the whole ledger")
    arguments = parser.parse_args()
    use_callers_files(arguments.config_dir)
    quiet(logging.WARNING)
    for name in ("claims", "sweeps"):
        logging.getLogger(f"overparam.{name}").setLevel(logging.INFO)  # training may take hours
    say_starting()

    import torch

    from overparam.claims.claim import claim_files, load_claim
    from overparam.claims.ledger import judge, save_entry, write_ledger
    from overparam.claims.publish import publish
    from overparam.claims.trained import Setup

    known = claim_files(arguments.config_dir)
    chosen = [Path(name) if name.endswith((".yaml", ".yml")) else name for name in arguments.only or known]
    paths = [known.get(name, Path(f"{name}.yaml")) if isinstance(name, str) else name for name in chosen]
    claims = [load_claim(path, arguments.config_dir) for path in paths]
    torch.set_num_threads(1)  # the matrices are small, and more threads only wait for each other
    out = arguments.logs / "claims"
    if arguments.seeds:
        out /= f"seeds-{'-'.join(map(str, arguments.seeds))}"
    out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path, claim in zip(paths, claims, strict=True):
        setup = Setup(arguments.logs, tuple(arguments.seeds or range(claim.seeds)), arguments.config_dir)
        try:
            entry = judge(path, setup, out)
        except (ExpectedError, RuntimeError, ValueError, OSError) as error:
            failed += 1
            print(f"{path.stem}: could not be judged: {one_line(error)}", file=sys.stderr)
            continue
        save_entry(entry, out)
        write_ledger(out)
        print(f"{entry.name}: {entry.verdict} ({entry.seconds:.0f} s)", flush=True)
        if len(entry.codes) > 1:
            print(f"    its runs were made by {len(entry.codes)} codes: {'; '.join(entry.codes)}", flush=True)
        for line in entry.effect_lines:
            print(f"    {line}", flush=True)
    print(out / "ledger.md")
    if arguments.publish:
        print(publish(out, Path.cwd()))
    return 1 if failed else 0
