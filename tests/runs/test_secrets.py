"""Secrets: in an environment, typed into a command, in files of the repository, in a failure; and where a run goes."""

import shutil
import subprocess

import polars as pl
import pytest
import wandb

from overparam.analysis.collect import collect
from overparam.analysis.report import report
from overparam.api import load
from overparam.runs import code
from overparam.runs import git as git_answers
from overparam.runs.identity import identity, run_directory
from overparam.runs.provenance import COMMAND, write_provenance
from overparam.runs.secrets import (
    HIDDEN,
    without_secrets,
    without_secrets_in_command,
    without_secrets_in_text,
)
from overparam.runs.state import read_failure, record_failure
from overparam.training.build import resolve
from overparam.training.run import train
from tests.conftest import read_json

SECRET = "s3cr3t-of-mine"
TYPED = "typed-by-hand-99"


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("LAB_DB_PASSWORD", SECRET)
    monkeypatch.setenv("LAB_DB_PASSWORD_OLD", f"{SECRET}-older")
    monkeypatch.setenv("LAB_PLACE", "no-secret-at-all")


def holding(folder, *texts):
    """The files below a folder that hold one of the texts."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if any(text.encode() in path.read_bytes() for text in texts)]


def test_a_config_refers_to_the_environment_and_is_whole_again_there(environment):
    given = {
        "password": SECRET,
        "url": f"https://me:{SECRET}-older@host/x",
        "place": "no-secret-at-all",
        "items": [SECRET, 3, None, {"api_key": TYPED}],
        "tokens": 5,
        "tokenizer": "bytes",
        "class_token": True,
    }
    assert without_secrets(given) == {
        "password": "${oc.env:LAB_DB_PASSWORD}",
        "url": f"https://{HIDDEN}@host/x",
        "place": "no-secret-at-all",
        "items": ["${oc.env:LAB_DB_PASSWORD}", 3, None, {"api_key": HIDDEN}],
        "tokens": 5,
        "tokenizer": "bytes",
        "class_token": True,
    }


@pytest.mark.parametrize(
    ("word", "recorded"),
    [
        (f"logger.neptune.api_key={TYPED}", f"logger.neptune.api_key={HIDDEN}"),
        (f"+data.password='{TYPED}, and = more'", f"+data.password={HIDDEN}"),
        (f"logger={{neptune:{{api_token:{TYPED}}}}}", f"logger={{neptune:{{api_token:{HIDDEN}}}}}"),
        (
            f"hydra.sweeper.storage=postgresql://me:{TYPED}@host/db",
            f"hydra.sweeper.storage=postgresql://{HIDDEN}@host/db",
        ),
        (f"notes=with {SECRET} in it", f"notes=with {HIDDEN} in it"),
        ("model.width=8,16", "model.width=8,16"),
        ("data.root=/data/tokens", "data.root=/data/tokens"),
        ("data.secret=${oc.env:LAB_DB_PASSWORD}", f"data.secret={HIDDEN}"),
    ],
)
def test_a_command_is_recorded_without_secrets(environment, word, recorded):
    assert without_secrets_in_command(["train.py", word]) == ["train.py", recorded]


@pytest.mark.parametrize(
    ("text", "recorded"),
    [
        ("+API_KEY=0123456789abcdef", f"+API_KEY={HIDDEN}"),
        ("+  api_key: 0123456789abcdef", f"+  api_key: {HIDDEN}"),
        ("+    password = 'short'", f"+    password = {HIDDEN}"),
        ('-{"secret": "of mine"}', f'-{{"secret": {HIDDEN}}}'),
        ("+token = tokenizer(text)", "+token = tokenizer(text)"),
        ("+def f(token: str, secret=None):", "+def f(token: str, secret=None):"),
        ("git clone https://me:pw@host/x.git", f"git clone https://{HIDDEN}@host/x.git"),
        ("see https://host/@me", "see https://host/@me"),
    ],
)
def test_a_diff_shows_code_and_no_secrets(text, recorded):
    assert without_secrets_in_text(f"x\n{text}\ny") == f"x\n{recorded}\ny"


def test_nothing_that_a_run_leaves_holds_a_secret(environment, monkeypatch, small, tmp_path):
    monkeypatch.setenv(COMMAND, f'["train.py", "+data_source.api_key={TYPED}", "x={SECRET}"]')
    knobs = (
        *(
            "logger=[wandb,csv]",
            "logger.wandb.mode=offline",
            "logger.wandb.notes=none",
            "trainer.max_steps=2",
        ),
        *("+data_source.password=${oc.env:LAB_DB_PASSWORD}", f"+data_source.api_key={TYPED}"),
        "+data_source.url=http://me:${oc.env:LAB_DB_PASSWORD}@host",
    )
    cfg = small(*knobs)
    name = train(cfg)["identity"]
    report(tmp_path / "runs")
    wandb.teardown()  # its process writes a file, and may be behind
    assert name == identity(resolve(cfg))
    assert holding(tmp_path, SECRET, TYPED) == []
    assert load(tmp_path / "runs" / name).cfg.data_source.password == SECRET  # where the variable is set
    assert "api_key" in (tmp_path / "runs" / name / "config.yaml").read_text()
    (table,) = collect(tmp_path / "runs").select(pl.col("data_source.password")).iter_rows()
    assert table == ("${oc.env:LAB_DB_PASSWORD}",)


def test_a_run_that_failed_shows_no_secret_either(environment, monkeypatch, small, tmp_path):
    cfg = small("trainer.max_steps=2", "+data_source.password=${oc.env:LAB_DB_PASSWORD}")
    run_dir = run_directory(resolve(cfg))
    train(cfg)
    (run_dir / "summary.json").unlink()
    record_failure(run_dir, f"no access with {SECRET}", f"Traceback: http://me:{TYPED}@host refused {SECRET}")
    assert read_failure(run_dir).reason == f"no access with {HIDDEN}"
    assert holding(tmp_path, SECRET, TYPED) == []
    monkeypatch.delenv("LAB_DB_PASSWORD")  # the table can be made elsewhere
    assert collect(tmp_path / "runs")["data_source.password"].to_list() == ["${oc.env:LAB_DB_PASSWORD}"]


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_uncommitted_changes_of_files_of_secrets_are_left_out(environment, monkeypatch, small, tmp_path):
    def git(*arguments):
        options = ("-c", "user.name=x", "-c", "user.email=x@x")
        subprocess.run(["git", "-C", tmp_path, *options, *arguments], check=True, capture_output=True)

    names = (".env", "lab/.env.local", "lab/id_rsa", "server.pem", "lab/secrets.yaml", "lab/code.py")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "x")
    for name in names:
        (tmp_path / name).write_text(f"after {name} {SECRET}\nAPI_KEY={TYPED}\n")
    (tmp_path / "untracked.env").write_text(TYPED)
    monkeypatch.setenv(code.CALLER, str(tmp_path / "lab"))
    git_answers.ask.cache_clear()
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    write_provenance(run_dir, small(), "cpu")
    git_answers.ask.cache_clear()
    diff = (run_dir / "uncommitted.diff").read_text()
    assert f"+after lab/code.py {HIDDEN}\n+API_KEY={HIDDEN}\n" in diff
    assert diff.splitlines().count(f"+API_KEY={HIDDEN}") == 1
    assert holding(run_dir, SECRET, TYPED, "id_rsa", "server.pem") == []
    assert read_json(run_dir / "provenance.json")["git_dirty"] is True
