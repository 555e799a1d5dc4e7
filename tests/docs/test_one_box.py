"""The guide to a night on one machine: its commands, killed in the middle, on the cores of this one."""


def test_the_guide(follow):
    guide = follow("one_box.md")
    night = guide.summaries("night")
    assert [(run["config"]["model.width"], run["config"]["seed"]) for run in night] == [
        (width, seed) for width in (2, 4) for seed in (0, 1, 2)
    ]
    assert {run["config"]["trainer.precision"] for run in night} == {"bf16-mixed"}
    assert [run["pack"] for run in guide.summaries("trial")] == [None, None]
    # The first command was killed before its end, the second came to it.
    started, continued = (text for line, text in guide.said if "runs_per_gpu=2" in line)
    assert "logs/night/report/index.html" not in started
    assert "logs/night/report/index.html" in continued
