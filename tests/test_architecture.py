"""The rooms of src/overparam and the arrows between them, read from imports, configs and names in strings."""

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from omegaconf import OmegaConf

from tests.conftest import CONFIGS, ROOT, read_json

SOURCE = ROOT / "src"

# From top to bottom. A room may import what is below it, and its neighbours as long as that makes no circle.
ROOMS = (
    ("commands", "hydra_plugins", "overparam", "api"),  # the package itself and `api` are a notebook's door
    ("claims", "studies", "exact"),
    ("analysis", "packs"),
    ("sweeps",),
    ("training",),
    ("measures", "loggers", "runs"),
    ("data", "models"),
    (
        *("errors", "randomness", "allocator", "compat", "compat_hydra", "libraries", "paths", "caller"),
        *("locks", "ranges", "machine", "garbage"),
    ),
)
HEIGHT = {room: -layer for layer, rooms in enumerate(ROOMS) for room in rooms}
SCIENCE = ROOMS[1]

# Whose configs a folder holds. The rest is what a run is made of, and names nothing above `training`.
CONFIG_ROOMS = {
    **{"data": "data", "model": "models", "measures": "measures", "logger": "loggers"},
    **{"study": "studies", "claim": "claims", "hydra": "hydra_plugins", "sweep": "hydra_plugins"},
    "theory": "exact",
    **{"plan.yaml": "commands", "analyze.yaml": "commands"},
}
IMPORTERS = {"get_method", "get_class", "get_object", "import_module", "instantiate"}


class Arrow(NamedTuple):
    """One room uses another."""

    start: str
    end: str
    where: str


def room_of(dotted: str) -> str:
    """The room of a module or of what is in it: "runs" of "overparam.runs.state.lock"."""
    package, _, rest = dotted.partition(".")
    if package == "hydra_plugins":
        return package
    return rest.partition(".")[0] or package


def is_ours(dotted: str) -> bool:
    return dotted.partition(".")[0] in ("overparam", "hydra_plugins")


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def used_by(node: ast.AST, package: str) -> list[str]:
    """What a statement or call imports, in dotted names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        start = ".".join([*above, *([node.module] if node.module else [])])
        return [f"{start}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return texts if called in IMPORTERS else []
    return []


def arrows_of_code(path: Path) -> Iterator[Arrow]:
    """All that a file imports of the lab, at its top, inside functions, for type checkers or by name."""
    name = module_name(path)
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        for used in filter(is_ours, used_by(node, package)):
            yield Arrow(
                room_of(name), room_of(used), f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            )


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def arrows_of_config(path: Path) -> Iterator[Arrow]:
    """All that a config names of the lab: `_target_` and any other dotted path."""
    group = path.relative_to(CONFIGS).parts[0]
    for text in texts(OmegaConf.to_container(OmegaConf.load(path))):
        for used in re.findall(r"(?<![\w.])(?:overparam|hydra_plugins)(?:\.\w+)+", text):
            yield Arrow(CONFIG_ROOMS.get(group, "training"), room_of(used), str(path.relative_to(ROOT)))


CODE = sorted(SOURCE.rglob("*.py"))
YAML = [path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "local"]  # a person's own
ARROWS = {
    *(arrow for path in CODE for arrow in arrows_of_code(path)),
    *(arrow for path in YAML for arrow in arrows_of_config(path)),
}


def wrong(arrow: Arrow) -> str | None:
    """What is wrong with an arrow, if anything."""
    if unknown := {arrow.start, arrow.end} - set(HEIGHT):
        return f"{arrow.where}: the design has no room {', '.join(unknown)}"
    if HEIGHT[arrow.start] < HEIGHT[arrow.end]:
        return f"{arrow.where}: {arrow.start} must not use {arrow.end}"
    return None


def test_every_arrow_points_down():
    assert sorted(filter(None, map(wrong, ARROWS))) == []


def test_no_circle_between_rooms():
    graph: dict[str, set[str]] = {}
    for start, end, _ in ARROWS:
        if start != end:
            graph.setdefault(start, set()).add(end)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError with the circle


def test_every_file_is_in_a_room():
    assert {room_of(module_name(path)) for path in CODE} == set(HEIGHT)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from overparam.sweeps.sweep import run_sweep", "must not use sweeps"),
        ("import overparam.packs.pack", "must not use packs"),
        ("def f():\n    from overparam.analysis import report", "must not use analysis"),
        ("if TYPE_CHECKING:\n    from overparam.claims import claim", "must not use claims"),
        ("from ..training import run", "must not use training"),
        ("get_method('overparam.studies.study.study')", "must not use studies"),
        ("importlib.import_module('overparam.nowhere.thing')", "no room nowhere"),
        ("import overparam", "must not use overparam"),
        ("from overparam.data.module import Split", None),
        ("from overparam import errors", None),
        ("import torch", None),
    ],
)
def test_no_way_to_import_is_overlooked(code, expected, monkeypatch, tmp_path):
    path = tmp_path / "src" / "overparam" / "runs" / "mine.py"
    path.parent.mkdir(parents=True)
    path.write_text(code)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path / "src")
    found = [wrong(arrow) for arrow in arrows_of_code(path)]
    assert [expected in problem if problem else expected is None for problem in found] == [True] * len(found)
    assert len(found) == (code != "import torch")


def test_a_config_that_names_a_room_above_is_seen(monkeypatch, tmp_path):
    path = tmp_path / "configs" / "study" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("figure: {_target_: overparam.claims.figure.draw}\nlist: [{a: overparam.analysis.lines}]")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "CONFIGS", tmp_path / "configs")
    assert [arrow[:2] for arrow in arrows_of_config(path)] == [("studies", "claims"), ("studies", "analysis")]


def test_one_room_draws():
    drawing = {p for p in CODE if re.search(r"^\s*(?:import|from) matplotlib", p.read_text(), re.MULTILINE)}
    assert {room_of(module_name(path)) for path in drawing} == {"analysis"}


def test_every_text_file_is_written_and_read_as_utf_8():
    """Else a name with an umlaut, or the page's own script, fails under a locale of another encoding."""
    sealed = SOURCE / "overparam" / "exact"  # hashes of it stand in seals; its texts are the lab's own
    for path in [*SOURCE.rglob("*.py"), *(ROOT / "scripts").glob("*.py")]:
        calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call)]
        for call in calls if sealed not in path.parents else ():
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            said = ast.unparse(call)
            if name in ("read_text", "write_text"):
                assert "utf-8" in said, f"{path}: {said}"
            if name == "open" and not said.startswith(("os.", "tarfile.")):
                assert "utf-8" in said or re.search("'[rwax]b'", said), f"{path}: {said}"


IMPORT_ALL = """
import importlib, pkgutil, sys
import overparam, hydra_plugins
for package in (overparam, hydra_plugins):
    for module in pkgutil.walk_packages(package.__path__[:1], package.__name__ + "."):
        importlib.import_module(module.name)
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in ("overparam", "hydra_plugins") and getattr(module, "__file__", None):
        assert module.__file__.startswith(sys.argv[1]), module.__file__
        print(name)
"""


def test_the_core_lives_without_claims_studies_and_exact(tmp_path):
    skip = shutil.ignore_patterns("__pycache__", *SCIENCE)
    for package in ("overparam", "hydra_plugins"):
        shutil.copytree(SOURCE / package, tmp_path / "src" / package, ignore=skip)
    # A checkout of the lab: configs beside src.
    shutil.copytree(
        CONFIGS, tmp_path / "configs", ignore=shutil.ignore_patterns("study", "claim", "theory", "local")
    )

    def run(*arguments: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    imported = run("-c", IMPORT_ALL, str(tmp_path / "src")).split()
    assert {room_of(name) for name in imported} == set(HEIGHT) - set(SCIENCE)
    start = "import sys; from overparam.commands.train import main; sys.exit(main())"
    tiny = ("data.n_train=40", "trainer.max_steps=2", "trainer.accelerator=cpu", "logger=local")
    run("-c", start, *tiny, f"paths.logs={tmp_path / 'logs'}")
    (summary,) = tmp_path.glob("logs/*/*/summary.json")
    assert read_json(summary)["steps"] == 2
