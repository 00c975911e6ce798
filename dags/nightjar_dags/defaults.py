"""What every DAG of Nightjar has in common: timetable, owner, retries by kind of error, timeouts, alerts, params."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from airflow.sdk import Asset, AssetOrTimeSchedule, ExceptionRetryPolicy, Param, RetryAction, RetryRule

from nightjar_dags.alerts import AlertOfEmptyRun, AlertOwner
from nightjar_plugin import BackfillByDayTimetable
from pipeline.errors import (
    BadInputError,
    DamagedError,
    DeclarationError,
    FaultError,
    NotReadyError,
    RefusedError,
    UnavailableError,
)
from pipeline.job import Job

# The run of a day starts when the day has ended everywhere west of UTC but for some hours, for which its sensor waits.
EVERY_NIGHT = "0 0 * * *"

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[BadInputError, DeclarationError, NotReadyError, DamagedError, RefusedError, FaultError],
            action=RetryAction.FAIL,
            reason="a retry would find the same",
        ),
        RetryRule(
            exception=[UnavailableError, ConnectionError, TimeoutError],
            action=RetryAction.RETRY,
            reason="a service did not answer; it may later",
        ),
        RetryRule(
            exception=[AssertionError, AttributeError, ImportError, NameError, TypeError],
            action=RetryAction.FAIL,
            reason="a fault in the code; a retry would find the same",
        ),
    ],
    # What nobody foresaw may heal, and a night is worth a few minutes.
    default=RetryAction.DEFAULT,
)


def dag_arguments(
    job: Job, *, purpose: str, schedule: str, doc_md: str | None, asset: Asset | None = None
) -> dict[str, Any]:
    """Keyword arguments of ``@dag`` for one of ``job``'s DAGs.

    Args:
        purpose: such as ``nightly_scoring``; the DAG is called ``<purpose>_<job>``.
        schedule: cron expression, in UTC.
        asset: whose events start a run as well.
    """
    ticks = BackfillByDayTimetable(schedule, job.timezone)
    return {
        "dag_id": f"{purpose}_{job.name}",
        "description": job.description,
        "doc_md": doc_md,
        # Airflow's types know one base of timetables for DAG files and another for plugins, and take either.
        "schedule": ticks if asset is None else AssetOrTimeSchedule(timetable=cast("Any", ticks), assets=[asset]),
        "catchup": False,
        "start_date": _midnight(job.first_partition),
        # Without it, unpausing a DAG whose upstream has ended would run yesterday.
        "end_date": None if job.last_partition is None else _midnight(job.last_partition),
        "max_active_runs": 1,
        "tags": ["nightjar", job.name, purpose],
        "owner_links": {job.owner.name: f"mailto:{job.owner.email}"},
        "params": {"partition": partition_param(job)},
        "on_success_callback": AlertOfEmptyRun(job),
        "default_args": {
            "owner": job.owner.name,
            "retries": 3,
            "retry_delay": timedelta(seconds=30),
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": timedelta(minutes=10),
            "retry_policy": RETRY_POLICY,
            "execution_timeout": timedelta(hours=2),
            "on_failure_callback": AlertOwner(job),
        },
    }


def partition_param(job: Job) -> Param:
    """The one param: which partition to work on, instead of the one that the schedule means."""
    last = "" if job.last_partition is None else f" to {job.last_partition}"
    return Param(
        None,
        type=["null", "string"],
        format="date",
        title="Partition",
        description=(
            f"The day of upstream data to work on, YYYY-MM-DD, from {job.first_partition}{last}. It must be closed. "
            "Leave it empty in a backfill, which names its days itself. A run triggered by hand needs it; clear the "
            "logical date then."
        ),
    )


def longest_wait(job: Job) -> timedelta:
    """How long after its midnight tick a scheduled night may still wait: to cutoff plus patience, and an hour more.

    The hour leaves it to the task, which knows the partition's own deadline, to say what is missing; the sensor's
    timeout only ends what goes wrong beside that.
    """
    # Winter and summer: the cutoff is in the job's timezone, the tick in UTC.
    days = (date(2026, 1, 1), date(2026, 7, 1))
    after_tick = max(job.cutoff(day) - _midnight(day + timedelta(days=1)) for day in days)
    return max(after_tick + job.patience, timedelta()) + timedelta(hours=1)


def after_nights(job: Job) -> str:
    """Daily, at the full hour (UTC) by which the night of the day before has run, or has given up waiting.

    Never at midnight, when the nights begin: a scheduled run is named by its time, and alarms know theirs by name.
    """
    hours = -(-longest_wait(job) // timedelta(hours=1))
    return f"0 {hours % 24 or 1} * * *"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
