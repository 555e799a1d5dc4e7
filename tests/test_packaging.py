"""What `pip install` brings: the code, the configs and the commands."""

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

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
