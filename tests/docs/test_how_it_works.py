"""The page on how it works: what it shows happens, and its picture of the house is the code's."""

import re

from tests.docs.conftest import DOCS
from tests.test_architecture import ARROWS, HEIGHT, ROOMS

EDGE = re.compile(r'^ *(\w+)(?:\[".*?"\])? --> (\w+)(?:\[".*?"\])?$', re.MULTILINE)
NAMES = re.compile(r'(\w+)\["(.*?)<br/>')


def test_the_page(follow):
    guide = follow("how_it_works.md")
    rates = [run["config"]["optimizer.lr"] for run in guide.summaries("runs") if run["n_train"] == 60]
    assert sorted(rates) == [0.01, 0.02]  # three commands, two runs
    together, alone = guide.summaries("together"), guide.summaries("alone")
    assert [run["identity"] for run in together] == [run["identity"] for run in alone]
    assert all(run["pack"] for run in together)
    assert not any(run["pack"] for run in alone)


def test_the_picture_of_the_house_is_the_codes():
    picture = re.findall(r"```mermaid\n(.*?)```", (DOCS / "how_it_works.md").read_text(), re.DOTALL)[0]
    # A box may stand for several rooms, which it names.
    boxes = {name: rooms.split(", ") for name, rooms in NAMES.findall(picture)}
    rooms = {room for layer in ROOMS[:-1] for room in layer} - {
        "overparam"
    }  # the last layer is files, not rooms
    assert sorted(room for named in boxes.values() for room in named) == sorted(rooms)
    used = {(arrow.start, arrow.end) for arrow in ARROWS}
    for start, end in EDGE.findall(picture):
        assert any((a, b) in used for a in boxes[start] for b in boxes[end]), f"{start} does not use {end}"
        assert min(HEIGHT[room] for room in boxes[start]) >= max(HEIGHT[room] for room in boxes[end])
