"""Land the demo data of a job: its own upstream makes the tables, the lake takes them as deliveries."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from pipeline.errors import BadInputError, DeclarationError
from pipeline.job import Job, import_attribute
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.stores.deliveries import Delivery

Progress = Callable[[int, int], None]
"""Called with the days done and the days in all."""


class Upstream(Protocol):
    """What ``Job.upstream`` names: a class without arguments."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources it delivers."""

    def deliver(self, source: str, partition: date) -> pa.Table | None:
        """The table of one source and partition; None where nothing is delivered on that day."""


def land_upstream(
    workspace: Workspace, job: Job, first: date, last: date, progress: Progress = lambda done, total: None
) -> Summary:
    """Land every source of the job for the partitions ``first`` to ``last``.  What has landed before stays as it is.

    Raises:
        DeclarationError: the job has no demo upstream.
        BadInputError: ``last`` comes before ``first``.
    """
    if job.upstream is None:
        raise DeclarationError(
            f"job {job.name} declares no upstream of its own",
            job=job.name,
            next_step="land its deliveries as docs/deliveries.md describes",
        )
    if last < first:
        raise BadInputError(
            "the last partition comes before the first",
            job=job.name,
            expected=f"a day from {first} on",
            found=str(last),
            next_step="swap them",
        )
    upstream = open_upstream(job)
    days = [first + timedelta(days=age) for age in range((last - first).days + 1)]
    landed = present = rows = 0
    for done, day in enumerate(days, start=1):
        for delivery, is_new in land_day(workspace, upstream, day):
            landed, present, rows = landed + is_new, present + (not is_new), rows + delivery.rows
        progress(done, len(days))
    return {"job": job.name, "first": str(first), "last": str(last), "landed": landed, "present": present, "rows": rows}


def open_upstream(job: Job) -> Upstream:
    """The job's own upstream, which may read all of its data when it is opened."""
    upstream: Upstream = import_attribute(str(job.upstream))()
    return upstream


def land_day(
    workspace: Workspace, upstream: Upstream, day: date, sources: Collection[str] | None = None
) -> list[tuple[Delivery, bool]]:
    """Land one partition of demo data, or of some of its sources.

    Returns:
        The deliveries, and whether each of them is new.
    """
    wanted = [source for source in upstream.sources if sources is None or source in sources]
    tables = [(source, upstream.deliver(source, day)) for source in wanted]
    return [
        workspace.deliveries.land(source, day, [table], workspace.wall_clock())
        for source, table in tables
        if table is not None
    ]
