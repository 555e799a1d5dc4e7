"""Other operating systems, as far as this one can be made to look like them."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from overparam import machine
from overparam.commands.start import start
from overparam.errors import ConfigError
from overparam.locks import is_held
from overparam.packs import grouping
from overparam.packs.exact import succeeds_in_subprocess
from overparam.runs.names import folder_name
from overparam.sweeps import progress, worker
from overparam.training.build import assemble
from tests.gate import HANGS


@pytest.fixture
def mac(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(os, "sysconf_names", {"SC_PHYS_PAGES": 0, "SC_PAGE_SIZE": 0})


@pytest.fixture
def windows(monkeypatch):
    """Without what Python lacks there; only for code that starts no process."""
    monkeypatch.setattr(sys, "platform", "win32")
    for owner, name in (
        *((os, name) for name in ("fork", "sysconf", "sysconf_names", "sched_getaffinity")),
        *((signal, name) for name in ("SIGUSR1", "SIGUSR2", "pthread_kill")),
    ):
        monkeypatch.delattr(owner, name)
    monkeypatch.setitem(sys.modules, "fcntl", None)


def test_on_linux_there_is_nothing_to_say(capsys):
    assert start(lambda: 0) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("system", ["mac", "windows"])
def test_elsewhere_a_command_says_in_one_line_what_is_not_supported(request, capsys, system):
    request.getfixturevalue(system)
    assert start(lambda: 0) == 0
    said = capsys.readouterr().err
    assert said.startswith("note: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("system", ["mac", "windows"])
def test_a_trial_runs_where_no_process_can_be_forked(request, system):
    request.getfixturevalue(system)
    before = torch.get_rng_state()
    assert succeeds_in_subprocess(lambda: torch.rand(1).item() >= 0)
    assert not succeeds_in_subprocess(lambda: False)
    assert not succeeds_in_subprocess(lambda: 1 / 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("system", ["mac", "windows"])
def test_memory_is_some_number_everywhere(request, system):
    request.getfixturevalue(system)
    assert 2**28 < machine.free_memory() < 2**50


def test_a_worker_ignores_the_signals_that_there_are(windows, monkeypatch):
    ignored = []
    monkeypatch.setattr(signal, "signal", lambda number, _: ignored.append(number))
    monkeypatch.setattr(threading.Thread, "start", lambda self: None)

    class Closed:
        def recv(self):
            raise EOFError

    worker._serve(Closed(), print, dict(os.environ))
    assert ignored == [signal.SIGINT]


@pytest.mark.parametrize("system", ["linux", "windows"])
@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN], ids=["shell", "background"])
def test_a_sweep_is_stopped_from_its_progress_thread(request, handler, system):
    if system == "windows":
        request.getfixturevalue(system)
    before = signal.signal(signal.SIGINT, handler)
    try:
        with progress.Progress([], [], "test_error", fail_fast=True) as followed:
            if handler is signal.SIG_IGN:
                signal.raise_signal(signal.SIGINT)  # Ctrl-C, to the script
            followed.stopped_for = Path("failed")
            with pytest.raises(KeyboardInterrupt):
                stop_and_wait()
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


def stop_and_wait():
    progress._interrupt_main_thread()
    threading.Event().wait(HANGS)


def test_names_that_windows_cannot_have(windows):
    assert folder_name("mine-2.0") == "mine-2.0"
    with pytest.raises(ConfigError, match="Windows"):
        folder_name("a:b")


def test_a_lock_that_can_only_be_read(windows, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / ".lock"
    path.touch()
    monkeypatch.setattr("filelock.FileLock.acquire", refused)
    assert not is_held(path)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["trainer.precision=64-true"], "trainer.precision=64-true"),
        (["data=linear", "model=linear"], "data.dtype=float64"),
        (["model=random_features"], "RandomFeatures"),
    ],
)
def test_what_is_float64_is_refused_on_a_macs_gpu(mac, small, overrides, named):
    with pytest.raises(ConfigError, match=f"MPS.*{named}.*trainer.accelerator=cpu"):
        assemble(small(*overrides, "trainer.accelerator=auto"))
    assemble(small(*overrides))


def test_runs_on_a_macs_gpu_are_not_packed(mac, small):
    runs = [(cfg, assemble(cfg)) for cfg in (small("trainer.accelerator=gpu", f"seed={i}") for i in (0, 1))]
    packs, alone = grouping.plan(runs, "auto")
    assert packs == []
    assert alone == {
        "packs hold float64 numbers, which a Mac's GPU lacks (trainer.accelerator=cpu has them)": 2
    }


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({}, "3000 None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active"),
    ],
)
def test_threads_that_wait_sleep_soon_if_nothing_else_is_said_before_torch_is_there(given, seen):
    code = (
        "import os, sys; from overparam.commands.start import start\n"
        "names = ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')\n"
        "start(lambda: print(*map(os.environ.get, names), 'torch' in sys.modules) or 0)"
    )
    clean = {
        name: text for name, text in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=clean | given)
    assert done.stdout.strip() == f"{seen} False", done.stderr
