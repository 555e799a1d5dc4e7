"""The guide to SLURM, as far as a machine without it goes; tests/engines follows it on a real one."""


def test_the_guide(follow):
    guide = follow("slurm.md")
    assert len(guide.summaries("grid")) == 4
