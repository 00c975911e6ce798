"""Pin a release: Redis keeps it, whatever is pruned; the release log remembers who wanted it, should Redis forget."""

from __future__ import annotations

from pipeline.errors import NotReadyError, RefusedError
from pipeline.job import Job
from pipeline.keyspace import Header
from pipeline.stores.predictions import Decision
from pipeline.tasks.release_history import log_pin
from pipeline.tasks.workspace import Workspace


def pin_release(workspace: Workspace, job: Job, generation: str, *, who: str, why: str) -> None:
    """Keep a generation until it is unpinned.

    Raises:
        RefusedError: Redis does not hold all of it.
        BadInputError: nobody is named, or no reason is given.
    """
    workspace.janitor.pin(job.name, generation, who, why)
    log_pin(workspace, job, "pinned", _require_header(workspace, job, generation), who=who, why=why)


def unpin_release(workspace: Workspace, job: Job, generation: str, *, who: str) -> None:
    """Let a pinned generation go with the others.

    Raises:
        NotReadyError: it was not pinned.
        BadInputError: nobody is named.
    """
    decision = Decision.make(job.name, who, "unpinned", workspace.wall_clock())
    if not workspace.janitor.unpin(job.name, generation):
        raise NotReadyError(
            f"generation {generation} was not pinned",
            job=job.name,
            expected="a pinned generation",
            next_step=f"`nightjar explain {job.name} {generation}` says who pinned it and let it go",
        )
    log_pin(workspace, job, "unpinned", _require_header(workspace, job, generation), who=decision.who, why=decision.why)


def _require_header(workspace: Workspace, job: Job, generation: str) -> Header:
    header = workspace.janitor.header(job.name, generation)
    if header is None:
        raise RefusedError(
            f"generation {generation} is gone from Redis",
            job=job.name,
            expected="a generation that is kept",
            next_step="see `nightjar releases`",
        )
    return header
