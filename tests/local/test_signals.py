"""A signal ends the block wherever it arrives, and once."""

from __future__ import annotations

import signal
import time

import pytest

from pipeline.local.signals import Interrupted, ignore_signals, raise_on_signals


class Finalized:
    """Asks to end while it is finalized, where the interpreter lets no exception out."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@raise_on_signals()
def finalize_and_wait() -> None:
    """Until a signal comes; for ten seconds at most."""
    Finalized()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        time.sleep(0.01)


@raise_on_signals()
def be_interrupted_twice(tidied: list[str]) -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)
        tidied.append("tidied")


def test_a_signal_is_raised_with_its_number() -> None:
    with pytest.raises(Interrupted) as raised, raise_on_signals():
        signal.raise_signal(signal.SIGHUP)

    assert raised.value.number == signal.SIGHUP


def test_a_signal_that_arrives_in_a_finalizer_is_raised_after_it() -> None:
    with pytest.raises(Interrupted) as raised:
        finalize_and_wait()

    assert raised.value.number == signal.SIGTERM


def test_a_second_one_does_not_interrupt_the_tidying_up() -> None:
    tidied: list[str] = []

    with pytest.raises(Interrupted):
        be_interrupted_twice(tidied)

    assert tidied == ["tidied"]


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with raise_on_signals(), ignore_signals():
        signal.raise_signal(signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is before
