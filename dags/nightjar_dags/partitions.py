"""Which partition a run works on: a person's param, else what the run's data interval means.

The logical date and the run id never name a partition: the first is the day after in a run triggered by hand and none
in others, the second is a name.  The logical date only serves to notice a run that would not do what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nightjar_dags.triggers import Trigger, read_trigger
from pipeline.errors import RefusedError
from pipeline.job import Job


@dataclass(frozen=True)
class Request:
    """What a run's context says about the day that is wanted.

    Attributes:
        kind: ``scheduled``, ``backfill`` or ``manual``, or another word of Airflow's for who made the run.
        asked: the param ``partition``.
        interval_start, interval_end: the data interval; None for a run triggered without a logical date.
        logical_day: the day of the logical date, if there is one.
        trigger: the event that asked for the run; None if no event did.
    """

    kind: str
    asked: str | None
    interval_start: datetime | None
    interval_end: datetime | None
    logical_day: date | None
    trigger: Trigger | None = None


def read_request(context: Mapping[str, Any]) -> Request:
    """The request of the run whose task context this is."""
    run = context["dag_run"]
    trigger = read_trigger(context)
    return Request(
        kind=run.run_type.value,
        asked=context["params"].get("partition") or (None if trigger is None else trigger.partition),
        interval_start=run.data_interval_start,
        interval_end=run.data_interval_end,
        logical_day=None if run.logical_date is None else run.logical_date.date(),
        trigger=trigger,
    )


def resolve_scored_partition(job: Job, request: Request, now: datetime) -> str:
    """The partition that a nightly run scores: the day on which its data interval starts.

    Raises:
        NightjarError: nothing names a partition, or it is still open, or upstream does not cover it.
        RefusedError: the run would work on another day than the one it was asked for.
    """
    from pipeline import tasks

    partition = tasks.resolve_partition(
        job, asked=request.asked, data_interval_start=request.interval_start, now=now, wait=True
    )
    # Of a day that was not asked for it does not matter whether it has closed, so that is looked at last.
    _check_backfilled_day(job, request, partition)
    _check_triggered_day(job, request, partition)
    if request.kind != "scheduled" or request.asked is not None:
        tasks.check_closed(job, date.fromisoformat(partition), now)
    return partition


def resolve_training_partition(job: Job, request: Request, now: datetime) -> str:
    """The newest partition that training may know: the newest one that was closed when the data interval ended.

    It never waits, and a run that is repeated later gets the same partition.  A run that an event asked for takes the
    event's partition, else the newest that is closed now.

    Raises:
        NightjarError: nothing names a partition, or it is still open, or upstream does not cover it.
        RefusedError: the run would know of days after the one it was asked for.
    """
    from pipeline import tasks

    asked = request.asked
    if asked is None and request.trigger is not None:
        asked = tasks.newest_closed_partition(job, now)
    if asked is None and request.interval_end is not None:
        asked = tasks.newest_closed_partition(job, request.interval_end)
    partition = tasks.resolve_partition(job, asked=asked, data_interval_start=None, now=now, wait=False)
    _check_backfilled_training(job, request, partition)
    _check_triggered_day(job, request, partition)
    return partition


def resolve_graded_partition(job: Job, request: Request) -> str | None:
    """The one partition that a feedback run looks at: the param, or the day of a backfill; None for all that are due.

    Raises:
        RefusedError: the run of a backfill would look at another day than the one it was asked for.
    """
    if request.asked is not None or request.kind != "backfill" or request.interval_start is None:
        partition = request.asked
    else:
        partition = request.interval_start.date().isoformat()
    if partition is not None:
        _check_backfilled_day(job, request, partition)
    return partition


def _check_backfilled_day(job: Job, request: Request, partition: str) -> None:
    """A backfill that reprocesses takes over a run triggered by hand at the same midnight: its param, its interval."""
    if request.kind != "backfill" or request.logical_day is None or request.logical_day.isoformat() == partition:
        return
    raise _taken_over(job, partition, f"partition {request.logical_day}")


def _check_backfilled_training(job: Job, request: Request, partition: str) -> None:
    """The same of a training, which knows what was closed at the end of the interval that its logical date begins."""
    if request.kind != "backfill" or request.interval_start is None or request.logical_day is None:
        return
    if request.asked is None and request.interval_start.date() == request.logical_day:
        return
    raise _taken_over(job, partition, f"what was closed when the schedule was due after {request.logical_day}")


def _taken_over(job: Job, partition: str, expected: str) -> RefusedError:
    return RefusedError(
        "this run of a backfill would work on another day than the backfill was asked for",
        job=job.name,
        partition=partition,
        expected=expected,
        found=f"partition {partition}, from the param, or from a run that was first triggered by hand",
        next_step="delete this run and backfill the day again, without the param partition",
    )


def _check_triggered_day(job: Job, request: Request, partition: str) -> None:
    """`airflow dags trigger` gives a run the newest data interval, whatever logical date it is asked for."""
    if request.kind != "manual" or request.asked is not None or request.logical_day is None:
        return
    if partition <= request.logical_day.isoformat():
        return
    raise RefusedError(
        "this run would work on a later day than its logical date",
        job=job.name,
        partition=partition,
        expected=f"a partition up to {request.logical_day}, the logical date",
        found=f"partition {partition}, from the data interval that Airflow gave this run",
        next_step='trigger the DAG again with the param partition, such as {"partition": "2013-04-01"}',
    )
