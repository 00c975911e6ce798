"""What happened to a job, for the margins of a chart: alarms as episodes, and what people and runs did to releases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.alerts import link_runbook
from pipeline.stores.alarms import Alarm, AlarmEvent, pair_events
from pipeline.stores.ledger_events import Event
from pipeline.stores.release_log import ReleaseEvent

_SEVERITIES = ("critical", "warning", "info")
_DECIDED = {"promoted", "demoted"}
_MARKED = {"rolled_back", "kept", "approved", "declined", "held", "refused", "republished"}


def list_episodes(events: Sequence[AlarmEvent], runbooks: str) -> list[dict[str, Any]]:
    """Every alarm from its first night to the one that resolved it: open ones first, the worst before the others.

    Otherwise the newest come first.

    Args:
        runbooks: the page of runbooks.

    Returns:
        Each as :meth:`pipeline.stores.alarms.Alarm.to_json` has it, with ``runbook``, where its signal is in that page.
    """
    alarms = sorted(pair_events(events), key=lambda alarm: alarm.raised.at, reverse=True)
    alarms.sort(key=lambda alarm: (alarm.resolved is not None, _rank(alarm)))
    return [{**alarm.to_json(), "runbook": link_runbook(runbooks, alarm.raised.signal)} for alarm in alarms]


def _rank(alarm: Alarm) -> int:
    """The worst open alarms first; of those that are over only the time counts."""
    return 0 if alarm.resolved is not None else _SEVERITIES.index(alarm.raised.severity)


def list_marks(releases: Sequence[ReleaseEvent], decisions: Sequence[Event]) -> list[dict[str, Any]]:
    """Promotions, rollbacks, backfills and second releases of a night, in order of partition.

    Returns:
        Each with ``partition`` (where a chart shows it), ``kind``, ``what``, ``at``, ``who`` and ``why``.
    """
    marks = [
        _mark(event.holds_from, event.kind, f"model {event.model_version} {event.kind}", event)
        for event in decisions
        if event.kind in _DECIDED and event.holds_from is not None
    ]
    seen: set[str] = set()
    of_generation = {event.generation: event.partition for event in releases}
    for event in releases:
        if event.kind == "rolled_back":
            taken_back = of_generation.get(event.previous or "", event.partition)
            marks.append(_mark(taken_back, event.kind, f"rolled back to {event.partition}", event))
        elif event.kind in _MARKED:
            marks.append(_mark(event.partition, event.kind, _describe(event), event))
        elif event.kind == "released" and event.partition in seen:
            marks.append(_mark(event.partition, "released_again", "released again", event))
        seen.add(event.partition)
    return sorted(marks, key=lambda mark: (mark["partition"], mark["at"]))


def list_held(releases: Sequence[ReleaseEvent]) -> list[dict[str, Any]]:
    """The generations that wait for a person, oldest first."""
    last = {event.generation: event for event in releases}
    return [
        {"generation": event.generation, "partition": event.partition, "at": event.at, "why": event.why}
        for event in last.values()
        if event.kind == "held"
    ]


def _describe(event: ReleaseEvent) -> str:
    if event.kind == "kept":
        return "backfilled: kept, not live"
    return event.kind.replace("_", " ")


def _mark(partition: str, kind: str, what: str, event: Event | ReleaseEvent) -> dict[str, Any]:
    return {
        "partition": partition,
        "kind": kind,
        "what": what,
        "at": event.at,
        "who": event.who,
        "why": event.why,
    }
