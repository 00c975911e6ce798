"""One command at a time works in a home folder, and another can end it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import RefusedError
from pipeline.local.home_lock import end_holder, hold_home
from pipeline.local.signals import ENDING, Interrupted, ignore_signals, raise_on_signals

HOLDS_UNTIL_ENDED = """
import sys, time
from pathlib import Path
from pipeline.local.home_lock import hold_home
from pipeline.local.signals import Interrupted, raise_on_signals
try:
    with raise_on_signals(), hold_home(Path(sys.argv[1])):
        print("holding", flush=True)
        time.sleep(600)
except Interrupted as interrupted:
    print("tidied up after", interrupted.number, flush=True)
"""


@pytest.fixture
def holder(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the home folder."""
    command = [sys.executable, "-c", HOLDS_UNTIL_ENDED, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "holding\n"
            yield process
        finally:
            process.kill()


def test_a_second_command_is_refused(home: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(RefusedError, match="another"), hold_home(home):
        pass

    assert holder.poll() is None


def test_the_command_at_work_can_be_ended_and_tidies_up(home: Path, holder: subprocess.Popen[str]) -> None:
    assert end_holder(home)

    assert holder.communicate()[0] == "tidied up after 15\n"
    with hold_home(home):
        pass


def test_there_is_nobody_to_end_where_nobody_holds_it(home: Path) -> None:
    with hold_home(home):
        pass

    assert not end_holder(home)


def test_a_second_signal_does_not_interrupt_the_tidying_up() -> None:
    def tidy_up() -> None:
        with raise_on_signals():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        tidy_up()
    assert caught.value.number == signal.SIGTERM


def test_ignored_signals_do_nothing_until_the_block_ends() -> None:
    survived = []
    with raise_on_signals():
        with ignore_signals():
            for number in ENDING:
                signal.raise_signal(number)
                survived.append(number)
        with pytest.raises(Interrupted) as caught:
            signal.raise_signal(signal.SIGHUP)
    assert survived == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    assert caught.value.number == signal.SIGHUP
