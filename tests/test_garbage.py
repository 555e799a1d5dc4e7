"""When Python looks for garbage, seen from processes of their own: what is frozen stays so."""

import gc
import subprocess
import sys

import pytest

from overparam.garbage import importing


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_imports_made_is_looked_through_no_more_and_what_was_garbage_is_gone():
    said = python(
        "import gc, weakref\n"
        "from overparam.garbage import importing\n"
        "class Loop: pass\n"
        "loop = Loop(); loop.itself = loop; gone = weakref.ref(loop); del loop\n"
        "with importing():\n"
        "    off = not gc.isenabled()\n"
        "    from overparam.training.build import assemble\n"
        "print(off, gone() is None, gc.isenabled(), gc.get_freeze_count() > 100_000, len(gc.get_objects()) < 10_000)"
    )
    assert said == "True True True True True"


def test_a_failed_import_leaves_the_search_on():
    said = python(
        "import gc\n"
        "from overparam.garbage import importing\n"
        "try:\n"
        "    with importing(): import nowhere\n"
        "except ImportError: print(gc.isenabled())"
    )
    assert said == "True"


@pytest.mark.parametrize("on", [True, False])
def test_where_all_is_imported_or_the_search_is_off_nothing_changes(on):
    import lightning  # noqa: F401

    (gc.enable if on else gc.disable)()
    before = gc.get_freeze_count()
    try:
        with importing():
            assert gc.isenabled() == on
        assert gc.isenabled() == on
    finally:
        gc.enable()
    assert gc.get_freeze_count() == before


def test_a_command_ends_without_a_last_search():
    said = python(
        "import atexit, gc\n"
        "from overparam.commands.start import start\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 100))\n"
        "print(start(lambda: 0), gc.get_freeze_count())"
    )
    assert said.splitlines() == ["0 0", "True True"]


def test_a_sweep_imports_so():
    said = python(
        "import gc\n"
        "from types import SimpleNamespace\n"
        "from overparam.sweeps.check import check\n"
        "print(check([], SimpleNamespace(obstacle=None)), gc.get_freeze_count() > 100_000)"
    )
    assert said == "{} True"
