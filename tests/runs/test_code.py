"""Which code made a run: by the commits and the files of the classes in use."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig, open_dict

from overparam.analysis.collect import collect
from overparam.errors import ExpectedError
from overparam.runs import code
from overparam.runs import git as ask_git
from overparam.runs.code import PACKAGE, finished_summary, other_code, sources
from overparam.runs.provenance import write_provenance
from overparam.runs.state import lock, run_directories, set_aside
from overparam.runs.summary import write_json
from tests.conftest import ROOT, compose_config, read_json

LAB = PACKAGE.name


@pytest.fixture(autouse=True)
def afresh() -> Iterator[Callable[[], None]]:
    """What a process knows of the code, it knows for good; calling this stands for a new process."""

    def forget() -> None:
        for function in (ask_git.ask, code._hash, code._file_of, code._difference, code._untracked):
            function.cache_clear()

    forget()
    yield forget
    forget()


@pytest.fixture
def forkcode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, with code that cannot be imported."""
    for name in (
        "forkcode/__init__.py",
        "forkcode/loss.py",
        "forkcode/nets/deep.py",
        "alone.py",
        "no_package/rule.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_targets(*targets: str) -> DictConfig:
    cfg = compose_config()
    with open_dict(cfg):
        cfg.callbacks = {f"c{i}": {"_target_": target} for i, target in enumerate(targets)}
    return cfg


def test_the_file_of_a_class_is_found_and_not_imported(forkcode: Path) -> None:
    for target, file in {
        "forkcode.loss.Focal": "forkcode/loss.py",
        "forkcode.loss.Focal.create": "forkcode/loss.py",
        "forkcode.Mixup": "forkcode/__init__.py",
        "forkcode.nets.deep.Net": "forkcode/nets/deep.py",
        "alone.Rule": "alone.py",
        "no_package.rule.Rule": "no_package/rule.py",
        "no_package.nothing.Rule": None,
        "nowhere.Net": None,
        "torch.optim.Adam": None,
        "json.JSONDecoder": None,
        f"{LAB}.models.mlp.MLP": None,
    }.items():
        assert list(sources(with_targets(target))) == sorted(filter(None, [LAB, file]))


def test_classes_of_every_depth_are_in_use_but_not_those_that_only_look_on(forkcode: Path) -> None:
    cfg = with_targets()
    with open_dict(cfg):
        cfg.scheduler = {
            "schedules": [{"_target_": "forkcode.loss.Warmup"}],
            "inner": {"_target_": "alone.Rule"},
        }
        cfg.logger = {"_target_": "forkcode.nets.deep.Logger"}
    assert list(sources(cfg)) == ["alone.py", "forkcode/loss.py", LAB]


def finished(folder: Path, cfg: DictConfig) -> Path:
    folder.mkdir(parents=True)
    write_provenance(folder, cfg, "cpu")
    write_json(folder / "summary.json", {"config": {}})
    return folder


def test_a_changed_file_of_a_class_in_use_is_other_code(forkcode: Path, afresh: Callable[[], None]) -> None:
    run_dir = finished(forkcode / "logs" / "run", with_targets("forkcode.loss.Focal", "alone.Rule"))
    (forkcode / "forkcode" / "nets" / "deep.py").write_text("x = 1\n")
    afresh()
    assert other_code(run_dir) is None
    (forkcode / "forkcode" / "loss.py").write_text("x = 1\n")
    afresh()
    assert other_code(run_dir) == "changed forkcode/loss.py"
    (forkcode / "alone.py").unlink()
    afresh()
    assert other_code(run_dir) == "changed alone.py, forkcode/loss.py"


def test_another_content_of_the_labs_package_is_other_code(
    tmp_path: Path, afresh: Callable[[], None]
) -> None:
    run_dir = finished(tmp_path / "run", with_targets())
    record = read_json(run_dir / "provenance.json")
    write_json(run_dir / "provenance.json", {**record, "sources": {LAB: "0" * 16}})
    assert other_code(run_dir) == f"changed {LAB}"


def test_rooms_that_training_never_imports_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, afresh: Callable[[], None]
) -> None:
    def hashed(file: str) -> str | None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("x = 1\n")
        afresh()
        return code._hash(tmp_path.name)

    monkeypatch.setattr(code, "PACKAGE", tmp_path)
    before = hashed("models/mlp.py")
    assert hashed("analysis/figures.py") == before
    assert hashed("models/forkcode.py") != before


def git(folder: Path, *arguments: str) -> str:
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    command = ["git", "-C", str(folder), *me, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, file: str, text: str) -> str:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    git(folder, "add", file)
    git(folder, "commit", "-q", "-m", file)
    return git(folder, "rev-parse", "HEAD")


def test_the_callers_commit_counts_beside_the_labs(forkcode: Path, afresh: Callable[[], None]) -> None:
    git(forkcode, "init", "-q")
    first = commit(forkcode, "helper.py", "x = 1\n")
    (forkcode / "helper.py").write_text("x = 2\n")
    run_dir = finished(forkcode / "logs" / "run", with_targets())
    record = read_json(run_dir / "provenance.json")
    assert record["caller_commit"] == first
    assert record["git_commit"] == git(ROOT, "rev-parse", "HEAD")
    assert record["git_dirty"]
    assert "+x = 2\n" in (run_dir / "uncommitted.diff").read_text()
    for file, other in (
        ("README.md", None),
        ("tests/test_helper.py", None),
        ("new.py", f"commit {first[:7]}"),
    ):
        commit(forkcode, file, "x = 1\n")
        afresh()
        assert other_code(run_dir) == other
    write_json(
        run_dir / "provenance.json", {"git_commit": "0" * 40}
    )  # no such commit, as before sources were kept
    assert other_code(run_dir) == "commit 0000000"


def test_untracked_files_in_use_are_named_and_hashed(forkcode: Path, afresh: Callable[[], None]) -> None:
    git(forkcode, "init", "-q")
    commit(forkcode, "forkcode/loss.py", "x = 1\n")
    secret = "-".join("secret")  # such that the text of this test does not have it
    (forkcode / ".env").write_text(f"KEY={secret}\n")
    (forkcode / "forkhelper.py").write_text("x = 1\n")
    importlib.import_module("forkhelper")
    try:
        run_dir = finished(forkcode / "logs" / "run", with_targets("forkcode.loss.Focal", "alone.Rule"))
    finally:
        del sys.modules["forkhelper"]
    record = read_json(run_dir / "provenance.json")
    own = {name for name in record["untracked"] if not name.startswith(("src/", "tests/"))}
    assert own == {"alone.py", "forkhelper.py"}  # not what nothing uses, nor what is tracked
    assert record["git_dirty"]
    assert secret not in "".join(path.read_text() for path in run_dir.iterdir())
    assert other_code(run_dir) is None
    commit(forkcode, "README.md", "committed meanwhile")
    git(forkcode, "add", "forkhelper.py")
    afresh()
    assert other_code(run_dir) is None
    (forkcode / "forkhelper.py").write_text("x = 2\n")
    afresh()
    assert other_code(run_dir) == "changed forkhelper.py"


def test_bytes_that_are_no_text_cost_nothing(forkcode: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(forkcode, "init", "-q")
    name = os.fsdecode(b"caf\xe9.py")
    (forkcode / name).write_bytes(b"# caf\xe9\n")
    git(forkcode, "add", ".")
    git(forkcode, "commit", "-q", "-m", "latin")
    (forkcode / name).write_bytes(b"# th\xe9\n")
    monkeypatch.setattr(sys, "argv", ["train.py", f"data.root={name}"])
    run_dir = finished(forkcode / "logs" / "run", with_targets("alone.Rule"))
    assert b"+# th\xe9\n" in (run_dir / "uncommitted.diff").read_bytes()
    record = read_json(run_dir / "provenance.json")
    assert record["command"] == ["train.py", "data.root=caf\\xe9.py"]
    assert record["git_dirty"]


def test_where_git_cannot_be_asked_the_record_says_why(
    forkcode: Path, afresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def problem(name: str) -> dict[str, str | None]:
        afresh()
        record = read_json(finished(forkcode / "logs" / name, with_targets()) / "provenance.json")
        assert record["caller_commit"] is None
        problems: dict[str, str | None] = record["git_problem"]
        return problems

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(forkcode.parent))
    found = problem("no_repository")
    assert found["lab"] is None
    assert str(found["caller"]).startswith("not a git repository")
    git(forkcode, "init", "-q")
    assert problem("unborn")["caller"] == "the repository has no commit yet"
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert str(problem("owner")["caller"]).startswith("detected dubious ownership in repository")
    monkeypatch.setenv("PATH", str(forkcode))
    assert problem("none") == dict.fromkeys(("lab", "caller"), "git is not installed")


def test_the_folders_own_repository_is_asked_and_for_all_changes(
    forkcode: Path, afresh: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = forkcode / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit(other, "file.py", "x = 0\n")
    git(forkcode, "init", "-q")
    git(forkcode, "config", "diff.relative", "true")
    own = commit(forkcode, "helper.py", "x = 1\n")
    (forkcode / "helper.py").write_text("x = 2\n")
    (forkcode / "below").mkdir()
    monkeypatch.chdir(forkcode / "below")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))  # as in a hook of it
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    run_dir = finished(forkcode / "logs" / "run", with_targets())
    assert read_json(run_dir / "provenance.json")["caller_commit"] == own
    assert "+x = 2\n" in (run_dir / "uncommitted.diff").read_text()


def test_what_is_not_on_record_differs_in_nothing(tmp_path: Path) -> None:
    assert other_code(tmp_path) is None
    (tmp_path / "provenance.json").write_text("{}")
    assert other_code(tmp_path) is None


def test_ten_thousand_runs_cost_a_few_questions_to_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = finished(tmp_path / "run", with_targets())
    asked = []
    true_run = subprocess.run
    monkeypatch.setattr(ask_git.subprocess, "run", lambda *a, **k: asked.append(a) or true_run(*a, **k))
    for _ in range(100):
        other_code(run_dir)
    assert len(asked) < 10


def test_a_run_that_is_trained_again_leaves_the_old_one_where_nothing_looks(
    tmp_path: Path, afresh: Callable[[], None]
) -> None:
    kept = finished(tmp_path / "sweep" / "kept", with_targets())
    run_dir = finished(tmp_path / "sweep" / "mlp-0123456789", with_targets())
    assert finished_summary(run_dir, retrain=True) == {"config": {}}
    write_json(run_dir / "provenance.json", {"git_commit": "0" * 40})
    assert finished_summary(run_dir, retrain=False) == {"config": {}}
    assert finished_summary(run_dir, retrain=True) is None
    assert not run_dir.exists()
    (old,) = (tmp_path / "sweep" / ".replaced").iterdir()
    assert old.name.startswith("mlp-0123456789-2")
    assert (old / "summary.json").exists()
    assert run_directories(tmp_path / "sweep") == [kept]
    for file in kept.iterdir():
        file.unlink()
    kept.rmdir()
    with pytest.raises(FileNotFoundError, match="no run"):
        collect(tmp_path / "sweep")


def test_a_run_in_other_hands_is_not_set_aside(tmp_path: Path) -> None:
    run_dir = finished(tmp_path / "run", with_targets())
    with lock(run_dir), pytest.raises(ExpectedError, match="is being trained by another process"):
        set_aside(run_dir)
    (run_dir / "summary.json").unlink()  # another process was faster, and is training
    set_aside(run_dir)
    assert run_dir.exists()


NET = """
from {lab}.models.mlp import MLP

class MLP(MLP):
    '''The {version} version.'''
"""


def test_a_sweep_says_which_code_made_its_finished_runs_and_trains_them_again(tmp_path: Path) -> None:
    project, logs = tmp_path / "project", tmp_path / "logs"
    project.mkdir()
    git(project, "init", "-q")
    head = commit(project, "net.py", NET.format(lab=LAB, version="first"))
    small = ["data.n_train=40", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local"]
    where = [f"paths.logs={logs}", "name=forkcode", "hydra/launcher=local", "hydra.launcher.cpu_slots=1"]
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", "model._target_=net.MLP"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")]),
    }

    def output(*more: str) -> str:
        run = subprocess.run(
            [*command, *small, *where, *more], cwd=project, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        return run.stderr

    assert "other code" not in output("seed=0,1")
    records = [read_json(path) for path in logs.glob("forkcode/*/provenance.json")]
    assert [(record["caller_commit"], set(record["sources"])) for record in records] == [
        (head, {"net.py", LAB})
    ] * 2
    (project / "net.py").write_text(NET.format(lab=LAB, version="second"))
    first, second = output("seed=0,1,2").splitlines()[:2]
    assert first == (
        "2 of 2 finished runs were made by other code (changed net.py: 2); retrain=true trains them again"
    )
    assert second == "3 runs: 2 finished, 1 to train"
    again = output("seed=0,1,2", "retrain=true").splitlines()
    assert again[:2] == [
        "2 of 3 finished runs were made by other code (changed net.py: 2); they are trained again",
        "3 runs: 1 finished, 2 to train",
    ]
    assert len(list(logs.glob("forkcode/.replaced/*/summary.json"))) == 2
    assert len(list(logs.glob("forkcode/*/summary.json"))) == 3
    assert "other code" not in output("seed=0,1,2")
