"""SIGTERM, what a scheduler, a container or `kill` sends: exit code 143, no failure recorded, nobody left behind."""

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from overparam.commands.start import start
from overparam.errors import Terminated
from overparam.models.mlp import MLP
from overparam.training.run import train
from tests.gate import until
from tests.sweeps.conftest import Sweep

COMMANDS = ("analyze", "claims", "plan", "report", "status", "train")
ENDLESS = "trainer.max_steps=2000000"


@pytest.fixture
def handler() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, action in before.items():
        signal.signal(number, action)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_with_143(
    name: str, handler: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told_to_end(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    module = importlib.import_module(f"overparam.commands.{name}")
    place = module if hasattr(module, "use_callers_files") else sys.modules["overparam.commands.start"]
    monkeypatch.setattr(place, "use_callers_files", told_to_end)
    monkeypatch.setattr(sys, "argv", [name, *(["."] if name in ("report", "status") else [])])
    assert module.main() == 143
    assert capsys.readouterr().err == "terminated; the same command continues\n"


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_the_second_signal_ends_it_without_a_word(
    number: int, code: int, said: str, handler: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start(lambda: os.kill(os.getpid(), number)) == code  # type: ignore[arg-type, return-value]
    assert capsys.readouterr().err == f"{said}; the same command continues\n"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2


@pytest.mark.parametrize(
    "how",
    [(), ("-m", "seed=0,1", "hydra/launcher=local"), ("-m", "seed=0,1", "pack=all")],
    ids=["single", "local", "pack"],
)
def test_training_ends_with_143(tmp_path: Path, how: tuple[str, ...]) -> None:
    alone = Sweep(tmp_path, "name=ended", "optimizer=sgd", ENDLESS, *how[1:])
    if not how:
        alone.arguments.remove("-m")
    alone.start()
    try:
        until(lambda: list(tmp_path.glob("ended/*/metrics.csv")) or alone.process.poll() is not None)
        alone.process.terminate()
        code, output = alone.finish()
        assert (code, output.splitlines()[-1]) == (143, "terminated; the same command continues")
        assert "Traceback" not in output
        alone.wait_for_all()
    finally:
        alone.end()
    assert not list(tmp_path.glob("ended/*/failure.json"))


class TerminatedMLP(MLP):
    """Is told to end while it trains."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().forward(x)


def test_a_run_started_from_python_ends_the_script_with_143(small, tmp_path):  # type: ignore[no-untyped-def]
    """Without a handler of ours, it is Lightning that answers the signal."""
    with pytest.raises(Terminated) as ended:
        train(small(f"model._target_={__name__}.TerminatedMLP"))
    assert ended.value.code == 143
    assert not list(tmp_path.glob("*/*/failure.json"))
