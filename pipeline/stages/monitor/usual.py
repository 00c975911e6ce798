"""Usual: which past nights tonight is held against, and how a number is judged that only counts when it is high."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pipeline.job import Monitoring
from pipeline.monitoring import Graded, Observed, Part, Signal
from pipeline.stages.monitor.limits import learn_upper

T = TypeVar("T")


def find_signal(night: Observed | Graded, name: str) -> Signal | None:
    """The signal of this name, if the night has it."""
    return next((signal for signal in night.signals if signal.name == name), None)


def leave_out_episode(nights: Sequence[T], breached: Sequence[bool], watched: Monitoring) -> list[T]:
    """The newest ``watched.history`` nights, but for those that tonight is judged along with, and those of an alarm.

    The newest ``n - 1`` nights are left out: the second night of a drop must not be held against the first.  While an
    alarm lasts, usual is what was usual before it: a drop that stays must not end its own alarm by becoming usual.
    Once it is over, its nights count like all others.  One that outlasts most of the history ends because too few
    nights are left to learn from.

    Args:
        breached: of the same nights, oldest first, whether the signal was beyond its limit.
    """
    started = _find_open_episode(breached, watched.k, watched.n)
    first = max(0, len(nights) - watched.history)
    judged_along = len(nights) - watched.n + 1
    return list(nights[first : max(first, min(started, judged_along))])


def judge_high(
    name: str,
    value: float,
    usual: Sequence[float],
    watched: Monitoring,
    *,
    unit: str = "",
    worst: tuple[Part, ...] = (),
) -> Signal:
    """The signal of a number of which only high values are bad, beside what is usual.

    Args:
        usual: its values on past nights; with fewer than ``watched.minimum`` there is no limit.
    """
    upper = learn_upper(usual, watched.false_alarms) if len(usual) >= watched.minimum else None
    return Signal(
        name=name,
        value=value,
        upper=upper,
        unit=unit,
        breached=upper is not None and value > upper,
        nights=len(usual),
        worst=worst,
    )


def _find_open_episode(breached: Sequence[bool], k: int, n: int) -> int:
    """Position of the first breach of the alarm that stands after the newest night; their number if none stands."""
    started: int | None = None
    for position in range(len(breached)):
        window = range(max(0, position - n + 1), position + 1)
        beyond = [each for each in window if breached[each]]
        if started is None and len(beyond) >= k:
            started = beyond[0]
        elif started is not None and not beyond and len(window) == n:
            started = None
    return len(breached) if started is None else started
