"""CITATION.cff, CHANGELOG.md, CONTRIBUTING.md and the forms: well-formed, and true of this repository."""

import re
import tomllib

import pytest
import yaml

from tests.conftest import ROOT
from tests.docs.conftest import DOCS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
# https://citation-file-format.github.io, version 1.2.0: what must be there, and what else is used here.
REQUIRED = {"cff-version", "title", "message", "authors"}
OPTIONAL = {"type", "abstract", "keywords", "version", "license"}


def test_the_citation_is_valid_and_names_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert set(citation) - OPTIONAL == REQUIRED
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["authors"] == [{"name": "The overparam authors"}]
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])


def test_the_newest_version_of_the_changes_is_the_packages():
    versions = re.findall(r"^## (\d\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == PROJECT["version"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_target_that_a_page_names_is_there(page):
    text = page.read_text()
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []
    targets = re.findall(r"^([a-z.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:`|^)make ([a-z.-]*[a-z])", text, re.MULTILINE)
    assert set(named) <= set(targets)
    ours = re.findall(r"`((?:src|tests|configs/experiment/paper)/[\w/.]+)`", text)
    assert [name for name in ours if not (ROOT / name).exists() and "mylab" not in name] == []


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_forms_are_what_github_reads(form):
    content = yaml.safe_load(form.read_text())
    if form.stem == "config":
        assert content == {"blank_issues_enabled": True}
        return
    assert {"name", "description", "body"} <= set(content) <= {"name", "description", "body", "labels"}
    for field in content["body"]:
        assert field["type"] in ("textarea", "input", "dropdown")
        assert {"label"} <= set(field["attributes"]) <= {"label", "description", "render", "options"}
        assert ("options" in field["attributes"]) == (field["type"] == "dropdown")
    ids = [field["id"] for field in content["body"]]
    assert len(set(ids)) == len(ids)
