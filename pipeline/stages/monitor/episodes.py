"""Episodes: when an alarm is raised, and when it is resolved, told from the nights of one signal alone.

k of the newest n nights beyond the limit raise an alarm; n nights within it, one after another, resolve it.  Both are
told from the newest n nights, and never of both at once, so asking again changes nothing.

n nights, one after another, on which the signal was not judged resolve it as well, since nobody would ever see it
within its limit again.  What was before them is forgotten: else the next night would raise the same alarm once more.

Turns are written down as they come (:func:`find_turn`).  Which alarm stood before a night that is graded, perhaps long
after, is told from the nights alone, by the same rules (:func:`find_standing`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.monitoring import Signal


@dataclass(frozen=True)
class Turn:
    """An alarm that begins or ends.

    Attributes:
        partition: the newest night beyond the limit, for one that is raised; the newest night, for one that is
            resolved.
        since: the first night beyond the limit, of those that raised it; None for one that is resolved.
        judged: False for one that is resolved because the signal is not judged any more.
    """

    kind: Literal["raised", "resolved"]
    partition: str
    since: str | None
    judged: bool = True


@dataclass(frozen=True)
class Episode:
    """An alarm from its first night beyond the limit to the night that resolved it; None while it is open."""

    signal: str
    since: str
    until: str | None

    def covers(self, partition: str) -> bool:
        """Whether the partition is one of its nights."""
        return self.since <= partition and (self.until is None or partition <= self.until)


def read_breach(signal: Signal | None) -> bool | None:
    """Whether a signal was beyond its limit; None where it was not judged: it was muted, or the night has none."""
    return None if signal is None or signal.muted is not None else signal.breached


def find_turn(breaches: Mapping[str, bool | None], partition: str, *, is_open: bool, k: int, n: int) -> Turn | None:
    """What the night of ``partition`` changes about the alarm of a signal; None for nothing.

    A night that is not among the newest n decides nothing, whatever it was.  One that is among them without being the
    newest of all, as of a backfill or a correction, is counted in its place.

    Args:
        breaches: by partition, whether the signal was beyond its limit; None where it was not judged, which counts for
            neither side.
        is_open: whether its alarm was raised and not resolved since.
    """
    watched = sorted(breaches)[-n:]
    if partition not in watched:
        return None
    if is_open and len(watched) == n and all(breaches[night] is None for night in watched):
        return Turn("resolved", watched[-1], None, judged=False)
    if breaches[partition] is None:
        return None
    newest = _list_judged(breaches, n)
    beyond = [night for night in newest if breaches[night]]
    if not is_open and len(beyond) >= k:
        return Turn("raised", beyond[-1], beyond[0])
    if is_open and len(newest) == n and not beyond:
        return Turn("resolved", newest[-1], None)
    return None


def find_standing(breaches: Mapping[str, bool | None], *, k: int, n: int) -> str | None:
    """The first night beyond the limit of the alarm that stands after the newest of these nights; None if none does.

    Args:
        breaches: as :func:`find_turn` takes them.
    """
    known: dict[str, bool | None] = {}
    since: str | None = None
    for partition in sorted(breaches):
        known[partition] = breaches[partition]
        turn = find_turn(known, partition, is_open=since is not None, k=k, n=n)
        if turn is not None:
            since = turn.since
    return since


def _list_judged(breaches: Mapping[str, bool | None], n: int) -> list[str]:
    """The newest n nights on which the signal was judged, since there last were n in a row on which it was not."""
    judged, missed = list[str](), 0
    for night in sorted(breaches, reverse=True):
        missed = missed + 1 if breaches[night] is None else 0
        if missed == 0:
            judged.append(night)
        if n in (missed, len(judged)):
            break
    return judged[::-1]


def list_unusual(breaches: Mapping[str, Collection[str]], episodes: Iterable[Episode], minimum: int) -> set[str]:
    """The nights that an alarm was about, and that therefore do not say what is usual.

    Without them a drift would teach its own limit, and its alarm would be resolved while it lasts.  An alarm of
    ``minimum`` nights or more is another matter: by then what it was about is what is usual now.

    A single night beyond the limit is not among them: there are as many as false alarms were asked for, and limits that
    are learnt without them would be left too often.

    Args:
        breaches: by partition, the signals that were beyond their limits.
    """
    unusual: set[str] = set()
    for episode in episodes:
        covered = [night for night in breaches if episode.covers(night)]
        if len(covered) < minimum:
            unusual |= {night for night in covered if episode.signal in breaches[night]}
    return unusual
