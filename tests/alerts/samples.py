"""An alert to change at will."""

from __future__ import annotations

from typing import Any

from pipeline.alerts import Alert, Served
from pipeline.job import Owner

OWNER = Owner(name="Harbour office", email="harbour@example.org", escalation="director@example.org")


def make_alert(**changes: Any) -> Alert:
    """An alarm of the drift of ice."""
    alert = Alert(
        id="alarm-000001",
        job="ice_levels",
        owner=OWNER,
        severity="critical",
        kind="raised",
        subject="inputs.drift",
        problem="the features are unlike those of the training",
        at="2024-02-13T06:00:00+00:00",
        partition="2024-02-12",
        since="2024-02-11",
        facts={"value": "7.2", "limit": "at most 3.1", "worst": "level 7.2 (limit 3.1)"},
        served=Served(generation="42-9f3a", partition="2024-02-12", model_version="3"),
        next_step="look at the worst features",
        runbook="docs/operations.md#inputsdrift",
        details={"signal": "inputs.drift", "value": 7.2},
    )
    return alert.model_copy(update=changes)
