"""Collections pause for an import and are left out at the end of a process, and nothing else changes."""

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
