"""No text says "1 runs": a number before a noun goes through `counted`, in Python and on the page."""

import re

from overparam.errors import counted
from tests.conftest import ROOT

NOUNS = (
    *(
        "run",
        "seed",
        "value",
        "step",
        "pack",
        "sample",
        "job",
        "device",
        "GPU",
        "code",
        "setting",
        "trial",
        "file",
    ),
    *(
        "point",
        "ledger",
        "checkpoint",
        "folder",
        "member",
        "warning",
        "effect",
        "claim",
        "sweep",
        "figure",
        "key",
    ),
    *("row", "column", "evaluation", "worker", "process", "output", "dot", "time", "second", "hour", "epoch"),
)
# "3 runs", "3 failed runs": what a format string, or a template of JavaScript, puts a number before.
COUNT = re.compile(
    rf"(?:%d|(?P<open>\{{)(?P<what>[^{{}}]*)\}}) (?:more |finished |failed |new )?(?:{'|'.join(NOUNS)})s\b"
)
NEVER_ONE = {
    "code.py: {len(table)} runs",  # by several codes
    "code.py: {len(found)} codes",
    "corruption.py: {num_classes} rows",
    "curves.js: {many} seeds",  # of one both say "one seed"
    "curves.py: {many} seeds",
    "check.py: {processes} devices",  # that share a run
    "claims.py: {len(entry.codes)} codes",
    "effects.py: {len(values)} rows",  # where one would do
    "finished.py: {least} runs",
    "frequencies.py: {most_steps} steps",  # far more than one
    "job.py: %d runs",  # of packs
    "layout.js: {layout.counts[key]} values",  # of which not all are drawn
    "layout.py: {self.counts[key]} values",
    "ledger.py: {len(entry.codes)} codes",
    "mode_order.py: {most_steps} steps",
    "offer.py: {there} GPUs",  # beside "1 GPU"
    "plot.js: {runs.length} runs",  # of one it has the name
    "pool.py: {limit(job):g} seconds",  # a fraction, maybe
    "price.py: {max(ends):,.3g} hours",
    "publish.py: {count} rows",  # of the lab's ledger
    "publish.py: {runs} runs",
    "seal.py: {claim.sequential.budget} seeds",
    "seal.py: {len(values)} seeds",
    "verdict.py: {len(self.values)} seeds",  # a claim has two or more; the file is in seals, by its hash
}


def test_a_number_agrees_with_its_noun():
    assert [counted(n, "failed run") for n in (0, 1, 2)] == ["0 failed runs", "1 failed run", "2 failed runs"]


def test_no_text_counts_by_itself():
    found = set()
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in (".py", ".js"):
            found |= {f"{path.name}: {match[0]}" for match in COUNT.finditer(path.read_text())}
    assert found == NEVER_ONE  # what is here no more is to be struck out
