"""Draw up alerts: what became of alarms and of failed nights, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.alerts import (
    DAMAGED_ALERT,
    FAILED_NIGHT,
    Alert,
    Served,
    find_runbook,
    link_runbook,
)
from pipeline.alerts.quantities import describe_quantity
from pipeline.errors import DamagedError
from pipeline.job import Job
from pipeline.monitoring import Part
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.release_log import ReleaseEvent, find_live

RECOVERED = "-recovered"


def describe_alarm(job: Job, event: AlarmEvent, served: Served | None, runbooks: str) -> Alert:
    """The alert of an alarm that was raised or resolved."""
    runbook = find_runbook(event.signal)
    over = event.kind == "resolved"
    meaning, next_step = _describe_end(event, runbook.meaning) if over else runbook
    facts = {"value": _describe_value(event.value, event.unit), "limit": _describe_limits(event)}
    if event.found:
        facts["found"] = event.found
    if event.worst and not over:
        facts["worst"] = "; ".join(_describe_part(part, event.unit) for part in event.worst)
    return Alert(
        id=f"alarm-{event.number:06d}",
        job=job.name,
        owner=job.owner,
        severity=event.severity,
        kind=event.kind,
        subject=event.signal,
        problem=meaning,
        at=event.at,
        partition=event.partition,
        since=event.since,
        facts={name: words for name, words in facts.items() if words is not None},
        served=served,
        next_step=next_step,
        runbook=link_runbook(runbooks, event.signal),
        details={"signal": event.signal, **event.model_dump(include={"value", "lower", "upper", "unit", "worst"})},
    )


def describe_served(releases: Sequence[ReleaseEvent]) -> Served | None:
    """What readers see by the release log; None before the first release."""
    live = find_live(releases)
    if live is None:
        return None
    headers = [event.header for event in releases if event.generation == live.generation and event.header]
    model = str(headers[-1]["model_version"]) if headers else "unknown"
    return Served(generation=live.generation, partition=live.partition, model_version=model)


def describe_recovery(failed: Alert, served: Served | None, now: datetime, runbooks: str) -> Alert:
    """The alert of a night that was released after it had failed."""
    return failed.model_copy(
        update={
            "id": f"{failed.id}{RECOVERED}",
            "kind": "recovered",
            "problem": f"the night of {failed.partition}, which had failed at {failed.subject}, was released",
            "at": stamp(now),
            "facts": {},
            "served": served,
            "next_step": "nothing",
            "runbook": link_runbook(runbooks, FAILED_NIGHT),
            "details": {},
        }
    )


def describe_damage(
    job: Job, id_: str, error: DamagedError, served: Served | None, now: datetime, runbooks: str
) -> Alert:
    """The alert of an alert that cannot be read, so that nobody knows what it was about."""
    return Alert(
        id=f"damaged-{id_}",
        job=job.name,
        owner=job.owner,
        severity="critical",
        kind="failed",
        subject="alerts",
        problem=f"an alert cannot be read, so it may never have been told: {error.problem}",
        at=stamp(now),
        facts={"expected": str(error.expected), "found": str(error.found)},
        served=served,
        next_step=error.next_step,
        runbook=link_runbook(runbooks, DAMAGED_ALERT),
        details={"error": error.to_json()},
    )


def stamp(now: datetime) -> str:
    """UTC, ISO 8601, to the second."""
    return now.astimezone(UTC).isoformat(timespec="seconds")


def _describe_end(event: AlarmEvent, meaning: str) -> tuple[str, str]:
    """What has become of an alarm that is resolved, and what to do."""
    if event.judged:
        return f"{event.signal} is resolved; it was raised because {meaning}", "nothing, unless it comes back"
    return (
        f"{event.signal} is closed without being known to be well, for it is not judged any more; it was raised "
        f"because {meaning}",
        "look whether what raised it is over, and why it is not judged",
    )


def _describe_value(value: float | None, unit: str) -> str | None:
    return None if value is None else describe_quantity(value, unit)


def _describe_limits(event: AlarmEvent) -> str | None:
    if event.lower is not None and event.upper is not None:
        return f"{describe_quantity(event.lower, event.unit)} to {describe_quantity(event.upper, event.unit)}"
    if event.upper is not None:
        return f"at most {describe_quantity(event.upper, event.unit)}"
    return None if event.lower is None else f"at least {describe_quantity(event.lower, event.unit)}"


def _describe_part(part: Part, unit: str) -> str:
    limit = "" if part.limit is None else f" (limit {describe_quantity(part.limit, unit)})"
    return f"{part.name} {describe_quantity(part.value, unit)}{limit}"
