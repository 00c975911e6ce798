"""An alert: what people are told of one thing, once on every channel."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pipeline.job import Owner
from pipeline.job.monitoring import Severity
from pipeline.monitoring import Record

Kind = Literal["raised", "resolved", "failed", "recovered"]


class Served(Record):
    """What readers see, by the release log."""

    generation: str
    partition: str
    model_version: str


class Alert(Record):
    """One thing to tell.

    Attributes:
        id: names it: what has one and the same id is told once.
        kind: ``raised``, ``resolved``: an alarm; ``failed``, ``recovered``: a run.
        subject: the alarm's signal; of a run the task that failed, or what else went wrong with it.
        problem: what happened, in one sentence without a full stop.
        at: when it was drawn up; UTC, ISO 8601.
        partition: the night that it is about; None if that is not known.
        since: the first night of the episode; None for a run.
        facts: how large it is, by label, in words.
        served: what readers see meanwhile; None if that is not known.
        runbook: link to what to do.
        details: further fields of the JSON that machines get.
        releases: events that the release log had when a night failed; later ones may be its recovery.  None: not known.
    """

    id: str
    job: str
    owner: Owner
    severity: Severity
    kind: Kind
    subject: str
    problem: str
    at: str
    partition: str | None = None
    since: str | None = None
    facts: dict[str, str] = Field(default_factory=dict)
    served: Served | None = None
    next_step: str | None = None
    runbook: str
    details: dict[str, Any] = Field(default_factory=dict)
    releases: int | None = None


def find_owner(alert: Alert) -> str | None:
    """The owner's address; None of ``info``, which wakes nobody."""
    return None if alert.severity == "info" else alert.owner.email


def find_escalation(alert: Alert) -> str | None:
    """The address that is told as well of what is critical; None where that is nobody else."""
    escalation = alert.owner.escalation
    return escalation if alert.severity == "critical" and escalation != alert.owner.email else None
