"""The reference that `make docs` makes: every public name is in it, and every docstring says what the code takes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import overparam
from tests.conftest import ROOT

SOURCE = ROOT / "src" / "overparam"
# What a notebook calls and what a lab subclasses or is given, by the module whose page has it.
PUBLIC = {
    "overparam.api": ["compose", "train", "load"],
    "overparam.analysis.collect": ["collect", "collect_steps"],
    "overparam.training.module": ["SupervisedModule.training_loss", "SupervisedModule.training_step"],
    "overparam.training.finished": ["FinishedRun.predict", "FinishedRun.new_net", "FinishedRun.net"],
    "overparam.data.module": ["PoolDataModule.load", "Pool.train_x", "Split.inputs"],
    "overparam.measures.subject": ["Subject.inputs", "Subject.initial"],
}


def test_the_reference_has_every_public_name(tmp_path, recwarn):
    pdoc = pytest.importorskip("pdoc")  # of the dev extra
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*PUBLIC, output_directory=tmp_path)
    assert [str(warning.message) for warning in recwarn if "pdoc" in warning.filename] == []
    for module, names in PUBLIC.items():
        page = (tmp_path / f"{module.replace('.', '/')}.html").read_text()
        for name in names:
            assert f'id="{name}"' in page, f"{module}: {name}"
    named = {name for names in PUBLIC.values() for name in names}
    assert set(overparam.__all__) <= named
    page = (tmp_path / "overparam" / "api.html").read_text()
    assert "<h6" in page  # Args, Raises and Example as headings: Google's style was understood
    assert "Args:" not in page.split('class="pdoc-code', 1)[0]


class Documented:
    """A public function or class of a module, and what it takes."""

    def __init__(self, node: ast.FunctionDef | ast.ClassDef, where: str) -> None:
        self.where, self.text = where, ast.get_docstring(node) or ""
        self.takes = arguments(node)

    @property
    def section(self) -> list[str]:
        """The names that its docstring explains under Args."""
        found = re.search(r"^Args:\n((?: {4}.*\n?|\n)+)", self.text, re.MULTILINE)
        return re.findall(r"^ {4}\*{0,2}(\w+)(?: \(.*\))?:", found[1], re.MULTILINE) if found else []


def arguments(node: ast.AST) -> set[str]:
    """The parameters of a function, of a class's constructor, or the fields of a dataclass."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        return {each.arg for each in every if each is not None}
    assert isinstance(node, ast.ClassDef)
    fields = {
        line.target.id
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }
    made = [
        line
        for line in node.body
        if isinstance(line, ast.FunctionDef) and line.name in ("__init__", "forward")
    ]
    return fields.union(*map(arguments, made))


def documented(path: Path) -> Iterator[Documented]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield Documented(node, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")


MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("room", sorted({path.relative_to(SOURCE).parts[0] for path in MODULES}))
def test_docstrings_explain_what_is_taken_and_nothing_else(room):
    wrong = [
        f"{each.where} explains {name}, which it does not take"
        for path in MODULES
        if path.relative_to(SOURCE).parts[0] == room
        for each in documented(path)
        for name in each.section
        if name not in each.takes and not passes_on(each)
    ]
    assert wrong == []


def passes_on(each: Documented) -> bool:
    """Whether it takes keywords that another explains."""
    return bool({"kwargs", "keywords", "knobs", "common", "arguments"} & each.takes)
