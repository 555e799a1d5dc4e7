"""The index of the guides."""

import re
from pathlib import Path

from tests.docs.conftest import DOCS


def test_every_guide_is_named_and_every_link_leads_somewhere():
    links = {
        page.name: re.findall(r"\]\((\w+\.md)#?([\w-]*)\)", page.read_text()) for page in DOCS.glob("*.md")
    }
    for page, places in links.items():
        for name, place in places:
            assert not place or place in headings(DOCS / name), f"{page}: {name}#{place}"
    assert {name for name, _ in links["README.md"]} == links.keys() - {"README.md"}


def headings(page: Path) -> set[str]:
    """The headings of a page, as GitHub names them in a link."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}
