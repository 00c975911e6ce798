"""Alarms: the events of a job's log of alarms, and what they come to.

The log is ``MonitoringRecords.alarms``; of one signal there is never more than one alarm at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.job.monitoring import Severity
from pipeline.monitoring import Part
from pipeline.stores.event_log import NumberedEvent


class AlarmEvent(NumberedEvent):
    """An alarm that was raised, or resolved.

    Attributes:
        signal: such as ``inputs.drift``.
        at: UTC, ISO 8601.
        partition: the night that it was raised or resolved by.
        since: the first night of the episode that was beyond the limit.
        value, lower, upper, unit: of the signal on that night.
        worst: the parts that were furthest out.
        generation: the release of that night.
        run: whose watching found it.
        found: what was found, in words, where the numbers do not say it.
        judged: False of one that was resolved because its signal is not judged any more, whatever has become of it.
    """

    kind: Literal["raised", "resolved"]
    signal: str
    severity: Severity
    at: str
    partition: str
    since: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    unit: str = ""
    worst: tuple[Part, ...] = ()
    generation: str | None = None
    run: str | None = None
    found: str = ""
    judged: bool = True


@dataclass(frozen=True)
class Alarm:
    """The event that raised an alarm, and the one that resolved it; None while it is open."""

    raised: AlarmEvent
    resolved: AlarmEvent | None = None

    @property
    def newest(self) -> AlarmEvent:
        """The last that happened to it."""
        return self.resolved or self.raised

    def to_json(self) -> dict[str, Any]:
        """The event that raised it, as a JSON object, and how it ended.

        ``resolved_by`` is a partition and ``why_resolved`` is in words, None while it is open; ``judged`` is False of
        one that ended without being known to be well.
        """
        end = self.resolved
        return self.raised.model_dump(mode="json") | {
            "resolved_by": None if end is None else end.partition,
            "resolved_at": None if end is None else end.at,
            "why_resolved": None if end is None else end.found or "within its limits again",
            "judged": self.newest.judged,
        }


def list_open(events: Sequence[AlarmEvent]) -> dict[str, AlarmEvent]:
    """The alarms that were raised and not resolved since, by signal."""
    newest = {event.signal: event for event in events}
    return {signal: event for signal, event in newest.items() if event.kind == "raised"}


def pair_events(events: Sequence[AlarmEvent]) -> list[Alarm]:
    """Every alarm, in the order in which they were raised."""
    alarms: dict[int, Alarm] = {}
    opened: dict[str, AlarmEvent] = {}
    for event in events:
        if event.kind == "raised":
            opened[event.signal] = event
            alarms[event.number] = Alarm(event)
        elif (raised := opened.pop(event.signal, None)) is not None:
            alarms[raised.number] = Alarm(raised, event)
    return list(alarms.values())
