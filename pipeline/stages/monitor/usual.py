"""Usual: which past nights tonight is held against, and how a number is judged that only counts when it is high."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.job import Monitoring
from pipeline.monitoring import Graded, Observed, Part, Signal
from pipeline.stages.monitor.episodes import find_standing, read_breach
from pipeline.stages.monitor.limits import learn_upper
from pipeline.stages.monitor.unusual import describe_waiting


def find_signal(night: Observed | Graded, name: str) -> Signal | None:
    """The signal of this name, if the night has it."""
    return next((signal for signal in night.signals if signal.name == name), None)


def list_usual(name: str, past: Sequence[Graded], watched: Monitoring) -> list[Graded]:
    """Of the newest ``watched.history`` nights on which a signal was judged, those that tonight is held against.

    The newest ``n - 1`` nights are left out: the second night of a drop must not be held against the first.  While an
    alarm stands, usual is what was usual before it: a drop that stays must not end its own alarm by becoming usual.
    Once it is over, its nights count like all others.  One that outlasts most of the history ends because too few
    nights are left to learn from.

    Args:
        past: gradings of the nights before, oldest first.
    """
    breaches = {night.partition: read_breach(find_signal(night, name)) for night in past}
    since = find_standing(breaches, k=watched.k, n=watched.n)
    judged = [night for night in past if (signal := find_signal(night, name)) is not None and signal.teaches]
    judged_along = max(0, len(judged) - watched.n + 1)
    recent = judged[max(0, len(judged) - watched.history) : judged_along]
    return [night for night in recent if since is None or night.partition < since]


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
        usual: its values on past nights; while they are too few there is no limit, and it is muted.
    """
    upper = learn_upper(usual, watched.false_alarms) if len(usual) >= watched.minimum else None
    return Signal(
        name=name,
        value=value,
        upper=upper,
        unit=unit,
        breached=upper is not None and value > upper,
        muted=describe_waiting(len(usual), watched) if upper is None else None,
        waiting=upper is None,
        nights=len(usual),
        worst=worst,
    )
