"""Every choice of every config group composes and trains a step, also models with the data sets they can take."""

import math
import re
from itertools import product
from pathlib import Path

import pytest

from overparam.errors import ConfigError
from overparam.training.build import assemble
from overparam.training.run import train
from tests.command_line import command_line
from tests.conftest import CONFIGS, ROOT, compose_config
from tests.standins import NAMES, write_standin


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def needs_images(model: str) -> bool:
    return model not in ("linear", "mlp", "random_features", "transformer")


TINY = ("trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local", "data.n_train=32")


@pytest.fixture(scope="module")
def standins(tmp_path_factory) -> Path:
    """A folder that holds a stand-in for every vision data set."""
    folder = tmp_path_factory.mktemp("standins")
    for name in NAMES:
        write_standin(name, folder)
    return folder


# Data sets of one shape are one case to a network: every network meets three, every data set two networks.
PAIRS = [
    (model, data)
    for model, data in product(options("model"), options("data"))
    if model in ("mlp", "cnn3") or data in ("digits", "teacher", "cifar10")
]


@pytest.mark.parametrize(("model", "data"), PAIRS)
def test_model_with_data(tmp_path, standins, model, data):
    width = () if model == "linear" else ("model.width=3",)
    paths = (f"paths.logs={tmp_path}", f"paths.data={standins}")
    cfg = compose_config(f"model={model}", f"data={data}", *width, *TINY, *paths)
    if needs_images(model) and len(assemble(compose_config(f"data={data}")).data.input_shape) != 3:
        with pytest.raises(ConfigError, match="needs images"):
            train(cfg)
        return
    summary = train(cfg)
    assert summary["steps"] == 2
    assert math.isfinite(summary["train_loss"])


@pytest.mark.parametrize(("optimizer", "scheduler"), product(options("optimizer"), options("scheduler")))
def test_optimizer_with_scheduler(tmp_path, optimizer, scheduler):
    choices = (f"optimizer={optimizer}", f"scheduler={scheduler}", f"paths.logs={tmp_path}")
    before = train(compose_config(*choices, *TINY, "trainer.max_steps=1"))
    assert before["steps"] == 1


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed", "bf16-true"])
def test_precision(tmp_path, precision):
    cfg = compose_config(*TINY, f"trainer.precision={precision}", f"paths.logs={tmp_path}")
    assert train(cfg)["steps"] == 2


@pytest.mark.parametrize("group", ["trainer", "evaluation", "logger", "paths", "debug"])
def test_every_other_choice_composes(group):
    assert options(group)
    for option in options(group):
        compose_config(f"{group}={option}")


@pytest.mark.parametrize("experiment", options("experiment"))
def test_experiment_in_fast_mode(tmp_path, experiment):
    cfg = compose_config(f"experiment={experiment}")
    assert cfg.name == experiment
    fast = compose_config(f"experiment={experiment}", "debug=fast", f"paths.logs={tmp_path}")
    assert train(fast)["steps"] == fast.trainer.max_steps


def test_the_experiments_header_says_how_and_what(experiment_headers):
    for name, header in experiment_headers.items():
        assert f"experiment={name}" in header, f"{name}: the header must give the command"


@pytest.fixture
def experiment_headers() -> dict[str, str]:
    found = {}
    for path in (CONFIGS / "experiment").glob("*.yaml"):
        lines = path.read_text().splitlines()
        found[path.stem] = "\n".join(line for line in lines if line.startswith("#"))
    return found


# Groups of files that set what is explained elsewhere, and begin with what they are for.
HAVE_HEADERS = {"claim", "debug", "experiment", "hydra", "study", "sweep", "theory"}
# A key that ends its line names a node, and the node's knobs are below it.
KNOB = re.compile(r" *[a-z]\w*: *[^\s#]")


def test_every_knob_has_a_comment():
    bare = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in CONFIGS.glob("*/*.yaml")
        if path.parent.name not in HAVE_HEADERS
        for line in path.read_text().splitlines()
        if KNOB.match(line) and "#" not in line
    ]
    assert bare == []


def test_a_sweep_from_the_command_line_trains_once_and_reports(tmp_path):
    command = (
        "-m",
        "experiment=model_wise",
        "debug=fast",
        "model.width=2,4",
        "seed=0,1",
        f"paths.logs={tmp_path}",
    )
    first = command_line("train.py", *command)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "debug"
    summaries = sorted(folder.glob("*/summary.json"))
    assert len(summaries) == 4
    assert (folder / "report" / "figure.png").exists()
    stamps = [path.stat().st_mtime_ns for path in summaries]

    second = command_line("train.py", *command[:-2], "seed=0,1,2", command[-1])
    assert second.returncode == 0, second.stderr
    assert [path.stat().st_mtime_ns for path in summaries] == stamps
    assert len(list(folder.glob("*/summary.json"))) == 6

    again = command_line("report.py", str(folder))
    assert again.returncode == 0, again.stderr
    assert "width" in again.stdout
