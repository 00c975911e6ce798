"""Collections pause for an import, leave out what it made, and are left out at the end of a process."""

from __future__ import annotations

import gc
import subprocess
import sys
from contextlib import suppress

from pipeline.garbage import no_collections


def test_collections_go_on_where_they_went_on_before() -> None:
    with no_collections():
        assert not gc.isenabled()
        with no_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_imported_is_not_looked_through_later() -> None:
    """In a process of its own: what is frozen here would stay."""
    program = """
import gc
from pipeline.garbage import no_collections
with no_collections():
    import decimal, pydantic
    made = [[] for _ in range(50_000)]
assert gc.get_freeze_count() > 50_000
assert len(gc.get_objects()) < 10_000
assert gc.isenabled()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_collections_go_on_after_an_error() -> None:
    with suppress(ImportError), no_collections():
        raise ImportError
    assert gc.isenabled()


def test_a_command_ends_without_looking_through_its_libraries() -> None:
    """What is frozen is not looked at; the handler that was registered first is called last."""
    program = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > 10_000))
from pipeline.cli.application import run
sys.argv = ["nightjar", "--help"]
assert run() == 0
assert gc.get_freeze_count() == 0, "not before the end"
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True)
    assert ended.stdout.splitlines()[-1] == "True"
