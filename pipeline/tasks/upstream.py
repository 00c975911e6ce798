"""Land the demo data of a job: its own upstream makes the tables, the lake takes them as deliveries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Protocol

import pyarrow as pa

from pipeline.errors import BadInputError, DeclarationError
from pipeline.job import Job, import_attribute
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace

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
    upstream: Upstream = import_attribute(job.upstream)()
    days = [first + timedelta(days=age) for age in range((last - first).days + 1)]
    landed = present = rows = 0
    for done, day in enumerate(days, start=1):
        for source in upstream.sources:
            table = upstream.deliver(source, day)
            if table is None:
                continue
            delivery, is_new = workspace.deliveries.land(source, day, [table], workspace.clock())
            landed, present, rows = landed + is_new, present + (not is_new), rows + delivery.rows
        progress(done, len(days))
    return {"job": job.name, "first": str(first), "last": str(last), "landed": landed, "present": present, "rows": rows}
