"""Retraining on evidence: the event that asks for it, and how soon after the last training it is listened to."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowSkipException

if TYPE_CHECKING:
    from pipeline.job import Job
    from pipeline.tasks import Workspace

log = logging.getLogger(__name__)

UNNAMED = "an event without a reason"


@dataclass(frozen=True)
class Trigger:
    """What an event says.

    Attributes:
        partition: newest day that the training may know; None for the newest closed one.
        why: in words.
    """

    partition: str | None
    why: str


def retrain_asset(job: str) -> Asset:
    """The asset whose events ask for a training; their ``extra`` may hold ``partition`` and ``why``."""
    return Asset(name=f"retrain_{job}", uri=f"nightjar://{job}/retrain", group="nightjar")


def read_trigger(context: Mapping[str, Any]) -> Trigger | None:
    """What asked for the run: of several events those that name a day, of these the newest day."""
    if context["dag_run"].run_type.value != "asset_triggered":
        return None
    extras = [event.extra or {} for events in context["triggering_asset_events"].values() for event in events]
    triggers = [
        Trigger(None if extra.get("partition") is None else str(extra["partition"]), str(extra.get("why") or UNNAMED))
        for extra in extras
    ]
    return max(triggers, key=lambda trigger: trigger.partition or "", default=Trigger(None, UNNAMED))


def rest_for_cool_down(workspace: Workspace, job: Job, partition: str, trigger: Trigger, run: str) -> None:
    """Skip the run if the last training of another run is too near.

    Raises:
        AirflowSkipException: it is.
    """
    from pipeline import tasks

    reason = tasks.find_cool_down(workspace, job, partition, run)
    if reason is not None:
        log.info("%s: asks for a training as of %s, but %s", trigger.why, partition, reason)
        raise AirflowSkipException(reason)
    log.info("%s: trains as of %s", trigger.why, partition)
