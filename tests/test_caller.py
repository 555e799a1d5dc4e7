"""What a person brings along: the working directory, configs elsewhere, a `.env`."""

import os
import sys

import pytest

from overparam.caller import use_callers_files
from overparam.errors import ConfigError
from tests.conftest import CONFIGS


@pytest.fixture
def caller(tmp_path, monkeypatch):
    """A working directory, and a lab's configs in another."""
    (tmp_path / "here").mkdir()
    (tmp_path / "lab" / "configs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "before")
    for name in ("FIRST", "SECOND", "THIRD"):
        monkeypatch.setenv(name, "as it was")
    monkeypatch.delenv("FIRST")
    monkeypatch.delenv("SECOND")
    return tmp_path


def test_the_environment_wins_over_the_working_directory_and_that_over_the_configs(caller):
    (caller / "here" / ".env").write_text("FIRST=here\nTHIRD=here\n")
    (caller / "lab" / ".env").write_text("FIRST=lab\nSECOND=lab\n")
    use_callers_files("../lab/configs")
    assert [os.environ[name] for name in ("FIRST", "SECOND", "THIRD")] == ["here", "lab", "as it was"]


def test_the_working_directory_comes_first_on_the_path_and_twice_is_once(caller):
    before = list(sys.path)
    use_callers_files(caller / "lab" / "configs")
    use_callers_files()
    assert sys.path == [str(caller / "here"), str(caller / "lab"), *before]
    assert os.environ["PYTHONPATH"] == os.pathsep.join([str(caller / "here"), str(caller / "lab"), "before"])


def test_a_config_that_would_never_be_read_is_refused(caller):
    configs = caller / "lab" / "configs"
    (configs / "model").mkdir()
    (configs / "model" / "mlp.yaml").write_text((CONFIGS / "model" / "mlp.yaml").read_text())
    use_callers_files(configs)  # the same file says the same
    (configs / "model" / "mlp.yaml").write_text("_target_: mine.Net\n")
    with pytest.raises(ConfigError, match=r"model/mlp.yaml would never be read: .* rename yours"):
        use_callers_files(configs)


def test_a_folder_that_is_gone_and_a_file_that_is_no_text_are_said_in_a_line(caller):
    (caller / "here" / ".env").write_bytes(b"NAME=M\xfcller\n")
    with pytest.raises(ConfigError, match=r"here/.env is not UTF-8, from byte 6 on"):
        use_callers_files()
    (caller / "here" / ".env").unlink()
    (caller / "here").rmdir()
    with pytest.raises(ConfigError, match="the working directory is gone"):
        use_callers_files()
