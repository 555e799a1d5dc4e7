"""What `pip install` brings: the code, the configs and the commands."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.commands.test_start import completed
from tests.conftest import CONFIGS, ROOT, read_json
from tests.lab import write_lab

NO_NETWORK = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")


def pip(*arguments: str | Path) -> None:
    run = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_wheel_holds_the_code_and_the_configs_but_not_a_persons_own(tmp_path):
    own = CONFIGS / "local" / "a_test_wrote_this.yaml"
    own.write_text("")
    try:
        pip("wheel", *NO_NETWORK, "--wheel-dir", tmp_path, ROOT)
    finally:
        own.unlink()
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    code = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.*") if path.is_file()}
    configs = {f"overparam/configs/{path.relative_to(CONFIGS)}" for path in CONFIGS.rglob("*.yaml")}
    wanted = {name for name in code if "__pycache__" not in name and "egg-info" not in name}
    missing = (wanted | configs) - held
    assert {Path(name).parent.name for name in missing} <= {"local"}
    assert f"overparam/configs/local/{own.name}" not in held
    assert {name.partition("/")[0] for name in held if ".dist-info/" not in name} == {
        "overparam",
        "hydra_plugins",
    }


def test_every_command_is_installed_and_a_script():
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    modules = [path.stem for path in (ROOT / "scripts").glob("*.py") if "import main" in path.read_text()]
    assert commands == {f"overparam-{name}": f"overparam.commands.{name}:main" for name in modules}
    assert all(callable(import_module(f"overparam.commands.{name}").main) for name in modules)


def test_the_lock_is_within_the_ranges():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if not line.startswith("#"))
    wanted = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["dev"]])
    assert [str(need) for need in wanted if locked[need.name] not in need.specifier] == []


def test_the_image_copies_what_there_is_and_the_container_is_made_of_it():
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert "src" in names
    assert [name for name in names if not (ROOT / name).exists()] == []
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    container = json.loads("".join(line for line in text.splitlines() if not line.strip().startswith("//")))
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"


@pytest.mark.skipif(shutil.which("make") is None, reason="not installed: make")
@pytest.mark.parametrize(("torch", "indices"), [("default", 0), ("cpu", 1)])
def test_one_switch_chooses_the_cpus_torch(torch, indices):
    command = ["make", "-n", "-B", ".venv/.ready", f"TORCH={torch}"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.count("--index-url https://download.pytorch.org/whl/cpu") == indices


@pytest.mark.engines
def test_a_lab_that_depends_on_the_lab_needs_nothing_but_its_own_files(tmp_path):
    """Installed into an environment that has the dependencies and not this repository."""
    venv, lab = tmp_path / "venv", write_lab(tmp_path / "lab")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/*/site-packages")
    (site / "dependencies.pth").write_text("\n".join(p for p in sys.path if "site-packages" in p) + "\n")
    pip("--python", venv / "bin" / "python", "install", *NO_NETWORK, ROOT)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def start(name: str, *arguments: str, cwd: Path = lab) -> str:
        command = [venv / "bin" / name, *arguments]
        run = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout

    where = start("python", "-c", "import overparam.paths as p; print(p.__file__, p.CONFIGS)")
    assert where.split() == [str(site / "overparam" / "paths.py"), str(site / "overparam" / "configs")]
    sweep = ("--config-dir", "configs", "-m", "experiment=mine")
    assert "2 runs" in start("overparam-plan", *sweep)
    start("overparam-train", *sweep, "hydra/launcher=local")
    summaries = [read_json(path) for path in lab.glob("logs/mine/*/summary.json")]
    assert len(summaries) == 2
    assert (lab / "logs" / "mine" / "report" / "index.html").exists()
    assert "2 finished" in start("overparam-status", "logs/mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    start("overparam-report", str(lab / "logs" / "mine"), cwd=elsewhere)
    own = (
        "--config-dir",
        str(lab / "configs"),
        "experiment=mine",
        f"paths.logs={lab / 'logs'}",
        "model.width=3",
    )
    start("overparam-train", *own, cwd=elsewhere)
    assert len(list(lab.glob("logs/mine/*/summary.json"))) == 2  # it was finished: the same identity
    assert "model: mine" in start("overparam-train", *own, "--cfg", "hydra", "-p", "hydra.runtime.choices")
    study = ("study=weight_averaging", f"runs={lab / 'logs' / 'mine'}", "--cfg", "job")
    assert "weight_averaging" in start("overparam-analyze", *study)
    assert "--only" in start("overparam-claims", "--help")
    assert completed("overparam-train", venv / "bin") == "data=digits"
