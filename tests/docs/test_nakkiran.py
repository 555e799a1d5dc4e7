"""The guide to a paper's figure: its commands, on files of CIFAR-10's format, and its arithmetic."""

import re

from tests.docs.conftest import DOCS
from tests.standins import write_standin


def test_the_guide(follow, tmp_path):
    write_standin("cifar10", tmp_path / "logs/data", n_train=2000, n_test=20)
    guide = follow("nakkiran.md")
    trial = guide.summaries("trial")
    assert [run["config"]["model.width"] for run in trial] == [1, 4]
    # The numbers of the page are those of the plan, not only their words: nothing random is in them.
    said = [line.rstrip() for line in guide.printed("plan.flops_per_second").splitlines()]
    (shown,) = re.findall(r"```text\n(.*?)```", (DOCS / "nakkiran.md").read_text(), re.DOTALL)
    assert set(shown.splitlines()) <= set(said)
    assert re.search(r"device-hours, \S+ dollars; \S+ hours on 8 devices", guide.printed("plan.trial"))
