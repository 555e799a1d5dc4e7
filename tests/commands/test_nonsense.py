"""Nonsense given to any command: one line on stderr that says what is wrong, exit code 2, no traceback."""

import importlib
import os
import sys

import pytest
from hydra.core.global_hydra import GlobalHydra

from tests.command_line import command_line

TOO_LONG = "y" * 300
# To ask whether a file of that name exists is an error before Python 3.14, where the answer is no.
NO_RUNS, NO_CLAIM = ("File name too long",) * 2
if sys.version_info >= (3, 14):
    NO_RUNS, NO_CLAIM = "is not a folder", "there is no claim"
SMALL = ["data.n_train=40", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local"]


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Gives a command, in this process, and returns the line that it ends with."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a_run").mkdir()
    (tmp_path / "a_run" / "summary.json").write_text("{}")
    monkeypatch.chdir(tmp_path)

    def give(command, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{command}.py", *arguments])
        GlobalHydra.instance().clear()
        capsys.readouterr()
        try:
            code = importlib.import_module(f"overparam.commands.{command}").main()
        except SystemExit as end:
            code = end.code
        finally:
            GlobalHydra.instance().clear()
        said = capsys.readouterr().err.strip()
        assert said.count("\n") == 0, said
        line = said
        assert code == 2
        assert line.startswith("error: ")
        return line

    return give


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("report", ["empty"], "no run in"),
        ("report", ["file"], "Not a directory: "),
        ("report", ["nowhere"], "No such file or directory: "),
        ("report", [TOO_LONG], "File name too long: "),
        ("report", ["nowhere", "--workspace"], "is not a folder"),
        ("report", ["empty", "--sync", "--workspace"], "--workspace and --sync exclude each other"),
        ("report", ["empty", "--x", "step", "--sync"], "--x and --sync exclude each other"),
        ("status", ["nowhere"], "there is no folder nowhere"),
        ("status", ["file"], "there is no folder file"),
        ("analyze", [], "Missing mandatory value: runs"),
        ("analyze", ["runs=null"], "runs must be the folder of a sweep, got None"),
        ("analyze", ["runs=[a]"], "runs must be the folder of a sweep"),
        ("analyze", ["runs=empty"], "no run in empty"),
        ("analyze", ["runs=a_run"], "a_run is a run's directory: name the folder of its sweep, "),
        ("analyze", [f"runs={TOO_LONG}"], NO_RUNS),
        ("analyze", ["runs=empty", "study=null"], "a group is chosen by the name of a file"),
        ("analyze", ["runs=empty", "~study"], "the study has no _target_"),
        ("analyze", ["runs=empty", "~study.group"], "the study has no group"),
        ("analyze", ["runs=empty", "study._target_=no.such"], "study._target_=no.such cannot be imported"),
        ("analyze", ["runs=empty", "+study.foo=1"], "got an unexpected keyword argument 'foo'"),
        ("claims", ["--only", "../x"], "there is no claim x"),
        ("claims", ["--only", "binary.yaml"], "binary.yaml is not YAML"),
        ("claims", ["--only", "list.yaml"], "list.yaml: a claim"),
        ("claims", ["--only", "empty", "--config-dir", "nowhere"], "there is no folder of configs"),
        ("claims", ["--only", f"{TOO_LONG}.yaml"], NO_CLAIM),
        ("claims", ["--only", "04_ridgeless", "--logs", "file"], "Not a directory: file/claims"),
        ("claims", ["--only", "04_ridgeless", "--logs", "/proc/x"], "No such file or directory: /proc/x"),
        ("plan", ["plan.json=nowhere/plan.json"], "plan.json must be null or name a file in a folder"),
        ("plan", ["plan.json=[a]"], "plan.json must be null or name a file in a folder"),
        ("plan", ["-m", "plan.json=nowhere/plan.json", "seed=0,1"], "plan.json must be null"),
        ("plan", ["plan.json=empty"], "plan.json must be null or name a file"),
        ("plan", ["-m", "data=null,digits"], "a group is chosen by the name of a file"),
        ("plan", ["seed=${oc.env:NO_SUCH_VARIABLE}"], "'NO_SUCH_VARIABLE' not found"),
        ("plan", ["name=${name}"], "Recursive interpolation detected"),
        *(
            ("train", [f"{group}=null"], "a group is chosen by the name of a file, not null")
            for group in (
                "data",
                "model",
                "module",
                "loss",
                "optimizer",
                "scheduler",
                "trainer",
                "evaluation",
            )
        ),
        *(
            ("train", [f"~{group}"], group)
            for group in ("data", "model", "optimizer", "trainer", "evaluation")
        ),
        ("train", ["paths.logs=null"], "paths.logs must be a folder, got None"),
        ("train", ["-m", "paths.logs=3,4"], "paths.logs must be a folder, got 3"),
        ("train", ["paths.run=x"], "paths.run is filled in"),
        ("train", ["-m", "paths.run=x,y"], "paths.run is filled in"),
        ("plan", ["paths.run=x"], "paths.run is filled in"),
        ("train", ["-sc", "foo=bar"], "--shell-completion goes with install=bash"),
        (
            "train",
            ["callbacks=early_stopping", "callbacks.early_stopping.monitor=x"],
            "conditioned on metric `x`",
        ),
        ("train", ["paths.logs=/dev/null"], "Not a directory: /dev/null/runs"),
        ("train", ["paths.logs=file"], "Not a directory: file/runs"),
        ("train", ["paths.logs=/proc/x"], "No such file or directory: /proc/x"),
        ("train", [f"paths.logs={TOO_LONG}"], f"File name too long: {TOO_LONG}"),
        ("train", [f"name={TOO_LONG}"], "long"),
        *(
            (command, [*mode, override], "has no effect here: runs go to <paths.logs>/<name>/<identity>")
            for command, mode in (("train", []), ("plan", []), ("train", ["-m"]))
            for override in (
                "hydra.sweep.dir=x",
                "hydra.run.dir=x",
                "hydra.output_subdir=x",
                "hydra.job.chdir=true",
            )
        ),
        ("train", ["objective=foo"], "objective=foo is not a number of summary.json"),
        ("train", ["measures=norms", "objective=foo"], "the run is finished, and has no objective=foo"),
        (
            "train",
            ["data.batch_size=1", "model.norm=batch"],
            "BatchNorm cannot normalize a batch of one sample",
        ),
        ("train", ["data.n_train=1", "model.norm=batch"], "BatchNorm cannot normalize a batch of one sample"),
        ("train", ["+members=file"], "members=file is no job of a sweep"),
        ("train", ["+members=nowhere:0:9"], "the configs of this job are gone, nowhere"),
        ("train", ["logger=csv", "logger.csv.save_dir=/proc/x"], "No such file or directory: /proc/x"),
        ("train", ["data=mnist", "data.root=file", "data.download=true"], "file"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_one_line(told, command, arguments, says):
    given = SMALL if command in ("train", "plan") else []
    assert says in told(
        command, *(["-m"] if "-m" in arguments else []), *given, *(a for a in arguments if a != "-m")
    )


def test_a_sweep_that_an_agent_starts(told, monkeypatch):
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    assert "leave -m out" in told("train", "-m", *SMALL, "seed=0,1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(told, tmp_path):
    (tmp_path / "empty").chmod(0o555)
    assert "Permission denied: empty/" in told("train", *SMALL, "paths.logs=empty")


@pytest.mark.parametrize("where", ["train", "plan"])
def test_a_full_disk_is_one_line(told, where, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "there")

    names = {"train": "overparam.training.run.open_run", "plan": "overparam.sweeps.plan.plan"}
    monkeypatch.setattr(names[where], full)
    assert told(where, *SMALL) == "error: No space left on device: there"


def test_no_memory_is_one_line(told, monkeypatch):
    import torch

    errors = [
        MemoryError("Unable to allocate 1. TiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ]
    for error in errors:
        monkeypatch.setattr(
            "overparam.training.run.open_run", lambda _, error=error: (_ for _ in ()).throw(error)
        )
        assert told("train", *SMALL).startswith("error: out of memory (")


@pytest.mark.parametrize("arguments", [["train"], ["train", "-m", "seed=0,1"], ["report", "empty", "--sync"]])
def test_a_mode_that_wandb_does_not_have(told, monkeypatch, arguments):
    monkeypatch.setenv("WANDB_MODE", "foo")
    command, *rest = arguments
    given = [*SMALL, "logger=wandb"] if command == "train" else []
    assert told(command, *rest, *given) == "error: WANDB_MODE must be online, offline or disabled, got 'foo'"


def test_a_workspace_without_a_key(told, monkeypatch, tmp_path):
    import wandb

    def refuse(_):
        raise wandb.errors.UsageError("api_key not configured (no-tty)")

    monkeypatch.setattr("overparam.analysis.report.workspace", refuse)
    assert "`wandb login` or WANDB_API_KEY" in told("report", str(tmp_path / "empty"), "--workspace")


def test_batches_of_one_sample_are_fine_where_there_is_an_image_to_average_over():
    from overparam.training.build import assemble
    from tests.conftest import compose_config

    assert assemble(compose_config("data.batch_size=1")).data.smallest_batch == 1
    assert (
        assemble(compose_config("model=cnn3", "model.width=2", "data.batch_size=1")).data.smallest_batch == 1
    )


def test_the_real_command_line(tmp_path):
    done = command_line("train.py", *SMALL, "paths.logs=/dev/null")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: Not a directory: /dev/null/runs/")


NO_CONFIGS = {
    "torn": (b"_target_: [a\nwidth: {", "model/mine.yaml"),
    "tab": (b"a:\n\tb: 1\n", "model/mine.yaml"),
    "twice": (b"width: 3\nwidth: 4\n", "duplicate key width"),
    "latin": (b"# caf\xe9\n_target_: mine.Net\n", "model/mine.yaml: not UTF-8"),
    "code": (b"_target_: !!python/object/apply:os.system [touch pwned]\n", "model/mine.yaml"),
    "unclosed": (b"_target_: mine.Net\nsize: ${nope\n", "size: no viable alternative at input '${nope'"),
    "defaults": (b"defaults: 3\n", "Invalid defaults list in 'model/mine', defaults must be a list"),
    "circle": (b"defaults:\n  - mine\n", "the config never ends"),
    "alias": (b"_target_: mine.Net\nsize: &a [*a]\n", "the config never ends"),
    "text": (b"hello\n", "model has no _target_"),
    "list": (b"- 1\n", "mine"),
}


@pytest.mark.parametrize("how", NO_CONFIGS)
@pytest.mark.parametrize(
    ("command", "arguments"),
    [("train", ["model=mine"]), ("plan", ["model=mine"]), ("train", ["-m", "model=mlp,mine"])],
    ids=["train", "plan", "sweep"],
)
def test_a_config_that_is_no_yaml(told, tmp_path, how, command, arguments):
    content, says = NO_CONFIGS[how]
    configs = tmp_path / "lab" / "configs"
    (configs / "model").mkdir(parents=True)
    (configs / "model" / "mine.yaml").write_bytes(content)
    assert says in told(command, "--config-dir", str(configs), *arguments, *SMALL)
    assert not list(tmp_path.rglob("pwned"))


def test_what_an_editor_keeps_beside_a_config_is_none(tmp_path, monkeypatch):
    """A lock is a link to nothing; a copy of a file's attributes is no text."""
    from hydra import initialize_config_dir

    from overparam.api import compose
    from overparam.claims.claim import claim_files
    from overparam.compat_hydra import keep_configs
    from overparam.runs import readable

    configs = tmp_path / "lab" / "configs"
    for group in ("model", "claim"):
        (configs / group).mkdir(parents=True)
        (configs / group / ".#mine.yaml").symlink_to("me@here.123")
        (configs / group / "._mine.yaml").write_bytes(b"\x00\xff")
    (configs / "model" / "gone.yaml").symlink_to("nowhere.yaml")
    (configs / "model" / "folder.yaml").mkdir()
    assert compose("model=mlp", config_dir=configs).model.width == 64
    with initialize_config_dir(str(configs), version_base="1.3"):
        keep_configs(GlobalHydra.instance().config_loader(), [])
    assert set(claim_files(configs)) == set(claim_files())
    (configs / "train.yaml").write_text("defaults: []\n")
    (configs / "model" / "gone.yaml").unlink()
    (configs / "model" / "folder.yaml").rmdir()
    monkeypatch.setattr(readable, "CONFIGS", configs)
    assert readable._words.__wrapped__() == {}
