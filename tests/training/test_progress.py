import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from overparam.runs.identity import flat_values
from overparam.training import progress as terminal
from overparam.training.progress import RunProgress, not_default
from tests.conftest import compose_config

SETTINGS = [("data", "Digits, label_noise 0.2"), ("model", "MLP, act [relu]")]


def trainer(step):
    rows = [{"step": step, "train_error": 0.5, "test_error": 0.25}] if step else []
    strategy = SimpleNamespace(root_device="cpu")
    return SimpleNamespace(
        global_step=step, max_steps=100, strategy=strategy, loggers=[SimpleNamespace(rows=rows)]
    )


def shown(steps, is_terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120)
    progress = RunProgress("mlp-w8-x", SETTINGS, params=610, n_train=1200, console=console)
    progress.on_train_start(trainer(steps[0]), None)
    for step in steps[1:]:
        progress.on_train_batch_end(trainer(step), None, None, None, 0)
    if progress.bar is not None:
        progress.bar.refresh()
    progress.teardown(trainer(steps[-1]), None, "fit")
    return out.getvalue()


def test_of_a_config_its_classes_are_told_and_what_is_not_default():
    defaults = flat_values(compose_config())
    assert not_default(defaults, defaults) == [("data", "Digits"), ("model", "MLP"), ("optimizer", "Adam")]
    given = ("seed=3", "model.width=8", "model.norm=batch", "data.batch_size=64", "loss=mse", "callbacks=ema")
    assert not_default(flat_values(compose_config(*given)), defaults) == [
        ("data", "Digits, batch_size 64"),
        ("model", "MLP, width 8, norm batch"),
        ("optimizer", "Adam"),
        ("callbacks", "ema EMAWeightAveraging, ema.decay 0.999, ema.update_every_n_steps 1"),
        ("run", "seed 3, loss mse"),
    ]


def test_a_terminal_sees_the_run_and_its_optimizer_steps():
    out = shown([0, 32, 64], is_terminal=True)
    assert "mlp-w8-x" in out
    assert "P 610, n 1,200, P/n 0.508, on cpu" in out
    assert "64/100" in out  # steps, though Lightning counted two batches
    assert "model  MLP, act [relu]" in out.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "train error 0.500, test 0.250" in out


def test_a_resumed_run_says_where_it_continues():
    assert "continuing at step 32" in shown([32, 64], is_terminal=True)


@pytest.mark.parametrize(("seconds", "lines"), [(1000.0, 1), (0.0, 3)])
def test_a_log_file_gets_plain_lines_and_few_of_them(seconds, lines, monkeypatch, caplog):
    monkeypatch.setattr(terminal, "LINE_SECONDS", seconds)
    with caplog.at_level(logging.INFO, logger=terminal.__name__):
        assert shown([0, 32, 64], is_terminal=False) == ""
    assert len(caplog.messages) == lines
    assert caplog.messages[0] == "mlp-w8-x: P 610, n 1,200, P/n 0.508, 100 steps on cpu"
    assert (
        caplog.messages[1:]
        == [f"step {s} of 100, train error 0.500, test 0.250" for s in (32, 64)][: lines - 1]
    )
