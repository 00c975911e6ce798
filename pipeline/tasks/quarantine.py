"""Quarantine: the rows that a contract refused, for the people who have to find out why."""

from __future__ import annotations

import pyarrow as pa

from pipeline.contracts import POSITION
from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.tasks.partitions import require_delivery
from pipeline.tasks.validating import QUARANTINED, find_validated
from pipeline.tasks.workspace import Workspace


def read_quarantine(workspace: Workspace, job: Job, source_name: str, partition: str) -> pa.Table:
    """The refused rows of the newest delivery of a source's partition.

    Returns:
        In the order of the delivery: the contract's columns, ``_row`` (the position there) and ``reasons`` (list of
        string).

    Raises:
        NotReadyError: there is no delivery, or it was not validated yet.
    """
    source = job.source(source_name)
    delivery = require_delivery(workspace, job, source, partition)
    rows = find_validated(workspace, job, source, delivery)
    if rows is None:
        raise NotReadyError(
            f"the delivery {delivery.digest[:12]} of {source.name} was not validated yet",
            job=job.name,
            partition=partition,
            next_step=f"nightjar run {job.name} --partition {partition}",
        )
    return workspace.outputs(job).read_all(rows, QUARANTINED).sort_by(POSITION)
