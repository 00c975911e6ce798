"""Signals as exceptions, so that a command that is asked to end can tidy up first."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_AGAIN_SECONDS = 0.1

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class Interrupted(BaseException):
    """A signal asks the command to end; ``number`` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal raise :class:`Interrupted` in the block, once; for the main thread."""
    with _handle(_raise_interrupted), _repeat_the_unraisable():
        yield


@contextmanager
def ignore_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal do nothing in the block; for the main thread."""
    with _handle(signal.SIG_IGN):
        yield


@contextmanager
def _handle(handler: Handler) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in ENDING}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def _repeat_the_unraisable() -> Iterator[None]:
    """Where an exception goes nowhere, as in a finalizer or the import system's callbacks, the signal comes again."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            number = unraisable.exc_value.number
            signal.signal(number, _raise_interrupted)
            Timer(_AGAIN_SECONDS, signal.raise_signal, [number]).start()
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _raise_interrupted(number: int, _: FrameType | None) -> None:
    for ending in ENDING:  # whoever presses Ctrl-C twice must not interrupt the tidying up
        signal.signal(ending, signal.SIG_IGN)
    raise Interrupted(number)
