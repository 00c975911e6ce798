"""The basis of a night: what is known today, or what was known on the partition's own night."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.keyspace import Basis
from pipeline.tasks.manifests import AS_CORRECTED, AS_KNOWN_THEN
from pipeline.tasks.workspace import Workspace

BASES = (AS_CORRECTED, AS_KNOWN_THEN)


def parse_basis(text: str, job: Job) -> Basis:
    """The basis that a person named, ``as_corrected`` or ``as_known_then``.

    Raises:
        BadInputError: it is neither.
    """
    for basis in BASES:
        if text == basis:
            return basis
    raise BadInputError(
        "this is no basis of a night",
        job=job.name,
        expected=" or ".join(BASES),
        found=repr(text[:40]),
        next_step="name one of them",
    )


def find_known_by(workspace: Workspace, job: Job, partition: str, basis: Basis) -> str | None:
    """The moment (ISO 8601) up to which a night looks: None for a night that takes what is known today.

    It is when the partition was first published, or else the end of what a scheduled night would have waited for.
    """
    if basis == AS_CORRECTED:
        return None
    for event in workspace.release_log(job).events():
        header = event.header
        if header is not None and header["partition"] == partition and header["basis"] == AS_CORRECTED:
            return str(header["published_at"])
    deadline = job.cutoff(date.fromisoformat(partition)) + job.patience
    return deadline.astimezone(UTC).isoformat()


def follow_basis(workspace: Workspace, known_by: str | None) -> Workspace:
    """The workspace as it was known at ``known_by``; as it is, for None."""
    return workspace if known_by is None else workspace.as_known_by(datetime.fromisoformat(known_by))
