"""Which partition a run works on, and whether its data is there."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Job, Role, Source
from pipeline.tasks.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.stores.deliveries import Delivery


def resolve_partition(
    job: Job, *, asked: str | None, data_interval_start: datetime | None, now: datetime, wait: bool
) -> str:
    """The one partition that a run works on, as ``YYYY-MM-DD``.

    A partition that a person asked for wins; else it is the date (UTC) on which the run's data interval starts.

    Args:
        wait: the run may wait until the partition is closed, as a scheduled one does.

    Raises:
        BadInputError: there is nothing to tell the partition from, it is no date, or upstream does not cover it.
        NotReadyError: it is still open, and the run may not wait.
    """
    if asked is not None:
        partition = parse_partition(asked, job)
    elif data_interval_start is not None:
        partition = data_interval_start.astimezone(UTC).date()
    else:
        raise BadInputError(
            "a run without a data interval needs the param partition",
            job=job.name,
            expected='a param such as {"partition": "2013-04-01"}, or a run that the schedule or a backfill made',
            found="neither",
            next_step="trigger the DAG again and give the partition",
        )
    _check_coverage(job, partition)
    if not wait:
        check_closed(job, partition, now)
    return partition.isoformat()


def parse_partition(text: str, job: Job) -> date:
    """The day that ``text`` names.

    Raises:
        BadInputError: it is not ``YYYY-MM-DD``.
    """
    try:
        partition = date.fromisoformat(text)
    except ValueError:
        partition = None
    if partition is None or partition.isoformat() != text:
        raise BadInputError(
            "the partition is not a date",
            job=job.name,
            expected="YYYY-MM-DD",
            found=repr(text[:40]),
            next_step="give a calendar day such as 2013-04-01",
        )
    return partition


def check_closed(job: Job, partition: date, now: datetime) -> None:
    """Refuse a partition whose cutoff has not passed.

    Raises:
        NotReadyError: it is still open.
    """
    cutoff = job.cutoff(partition)
    if now < cutoff:
        raise NotReadyError(
            "the partition is still open: facts that belong to it may yet become known",
            job=job.name,
            partition=partition.isoformat(),
            expected=f"a partition whose cutoff has passed; this one closes at {cutoff.isoformat()}",
            found=f"the time is {now.astimezone(UTC).isoformat(timespec='seconds')}",
            next_step=f"run it after the cutoff, or ask for {_newest_closed(job, now)} or an earlier partition",
        )


def newest_closed_partition(job: Job, now: datetime) -> str:
    """The newest partition of the job that has closed, and that upstream covers.

    Raises:
        NotReadyError: not even the first one has.
    """
    check_closed(job, job.first_partition, now)
    return _newest_closed(job, now)


def deliveries_ready(workspace: Workspace, job: Job, partition: str) -> bool:
    """Whether the partition has closed and every source of it was delivered.

    Raises:
        NotReadyError: a delivery is missing though cutoff and patience have passed.
    """
    now = workspace.clock()
    cutoff = job.cutoff(date.fromisoformat(partition))
    if now < cutoff:
        return False
    missing = [source.name for source in job.sources if find_delivery(workspace, source, partition) is None]
    if not missing:
        return True
    if now < cutoff + job.patience:
        return False
    raise NotReadyError(
        f"no delivery of {', '.join(missing)} by the deadline",
        job=job.name,
        partition=partition,
        expected=f"a delivery by {(cutoff + job.patience).isoformat()} (cutoff and the job's patience)",
        found=f"none at {now.astimezone(UTC).isoformat(timespec='seconds')}",
        next_step="have upstream land it, then clear this task or run the partition again; "
        "the predictions that are live go on being served",
    )


def find_delivery(workspace: Workspace, source: Source, partition: str) -> Delivery | None:
    """The delivery that a night takes: the newest of the partition, or of an earlier one for a dimension."""
    if source.role is Role.DIMENSION:
        return workspace.deliveries.newest_as_of(source.name, partition)
    return workspace.deliveries.newest(source.name, partition)


def require_delivery(workspace: Workspace, job: Job, source: Source, partition: str) -> Delivery:
    """Like :func:`find_delivery`.

    Raises:
        NotReadyError: there is none.
    """
    delivery = find_delivery(workspace, source, partition)
    if delivery is None:
        raise NotReadyError(
            f"source {source.name} was not delivered",
            job=job.name,
            partition=partition,
            expected=f"a delivery under {workspace.lake.url(f'upstream/{source.name}/partition={partition}')}",
            found="none",
            next_step="have upstream land it and run the partition again",
        )
    return delivery


def trailing_days(job: Job, partition: str, length: int) -> list[str]:
    """The newest ``length`` partitions up to and including this one, newest first, none before the job's first."""
    newest = date.fromisoformat(partition)
    days = (newest - timedelta(days=age) for age in range(length))
    return [day.isoformat() for day in days if day >= job.first_partition]


def _newest_closed(job: Job, now: datetime) -> str:
    partition = job.last_partition or now.date()
    partition = min(partition, now.date())
    while job.cutoff(partition) > now:
        partition -= timedelta(days=1)
    return partition.isoformat()


def _check_coverage(job: Job, partition: date) -> None:
    last = job.last_partition
    if partition < job.first_partition or (last is not None and partition > last):
        raise BadInputError(
            "upstream does not cover this partition",
            job=job.name,
            partition=partition.isoformat(),
            expected=f"{job.first_partition} to {last or 'today'}",
            found=partition.isoformat(),
            next_step="ask for a partition in that range, or change first_partition and last_partition of the job",
        )
