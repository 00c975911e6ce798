"""Signals as exceptions, so that a command that is asked to end can tidy up first."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class Interrupted(BaseException):
    """A signal asks the command to end; ``number`` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal raise :class:`Interrupted` in the block, once; for the main thread."""
    with _handle(_raise_interrupted):
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


def _raise_interrupted(number: int, _: FrameType | None) -> None:
    for ending in ENDING:  # whoever presses Ctrl-C twice must not interrupt the tidying up
        signal.signal(ending, signal.SIG_IGN)
    raise Interrupted(number)
