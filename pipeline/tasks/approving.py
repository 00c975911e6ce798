"""Approve what the release gate held back or blocked: a named person makes it live as it is, or turns it down."""

from __future__ import annotations

from pipeline.errors import RefusedError
from pipeline.job import Job
from pipeline.keyspace import Header
from pipeline.stores.predictions import Decision
from pipeline.stores.release_log import ReleaseEvent, ReleaseKind
from pipeline.tasks.candidates import read_candidate
from pipeline.tasks.manifests import require_manifest
from pipeline.tasks.overtaking import check_current
from pipeline.tasks.release_history import find_events, log_release, refuse_rejected
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace


def approve_release(
    workspace: Workspace, job: Job, generation: str, *, who: str, why: str, release_rejected: bool = False
) -> Summary:
    """Make live what the gate held back or blocked.  Doing so again changes nothing.

    Args:
        release_rejected: even if a rollback has taken its inputs back.

    Raises:
        NotReadyError: there is no such release.
        RefusedError: it does not wait for an answer, it was turned down, or it was overtaken meanwhile.
        BadInputError: nobody is named, or no reason is given.
    """
    Decision.make(job.name, who, why, workspace.wall_clock())
    candidate = read_candidate(workspace, job, require_manifest(workspace, job, generation))
    waiting, header = _find_waiting(workspace, job, candidate.partition, generation, "approved")
    if not release_rejected:
        refuse_rejected(workspace, job, candidate.partition, waiting.inputs)
    check_current(workspace, job, candidate)
    flip = workspace.predictions.flip(job.name, generation, waiting.token, allow_rejected=release_rejected)
    kind: ReleaseKind = "approved" if flip.result == "live" else "kept"
    log_release(
        workspace,
        job,
        kind,
        header,
        token=waiting.token,
        who=who,
        why=why,
        previous=flip.previous,
        readmitted=(waiting.inputs,) if release_rejected else (),
    )
    return {
        "generation": generation,
        "partition": candidate.partition,
        "result": flip.result,
        "previous": flip.previous,
        "model_version": header.model_version,
        "rows": header.rows,
        "approved_by": who,
    }


def decline_release(workspace: Workspace, job: Job, generation: str, *, who: str, why: str) -> Summary:
    """Turn down what the gate held back: it stays readable by partition, and does not become live.

    Raises:
        NotReadyError: there is no such release.
        RefusedError: it does not wait for an answer.
        BadInputError: nobody is named, or no reason is given.
    """
    Decision.make(job.name, who, why, workspace.wall_clock())
    manifest = require_manifest(workspace, job, generation)
    waiting, header = _find_waiting(workspace, job, manifest["partition"], generation, "declined")
    log_release(workspace, job, "declined", header, token=waiting.token, who=who, why=why)
    return {"generation": generation, "result": "declined", "partition": manifest["partition"], "declined_by": who}


def _find_waiting(
    workspace: Workspace, job: Job, partition: str, generation: str, answer: str
) -> tuple[ReleaseEvent, Header]:
    """The event that says that a generation waits, or that it got this very answer before."""
    events = find_events(workspace, job, generation)
    last = events[-1] if events else None
    if last is not None and last.kind in ("held", "refused", answer) and last.generation == generation:
        header = workspace.predictions.header(job.name, generation)
        if header is not None:
            return last, header
    if last is None:
        found = "it was never released"
    else:
        returned_to = last.kind == "rolled_back" and last.generation == generation
        became = "returned to" if returned_to else last.kind.replace("_", " ")
        found = f"it was {became} by {last.who} at {last.at}: {last.why}"
    raise RefusedError(
        f"generation {generation} does not wait for an approval",
        job=job.name,
        partition=partition,
        expected="a generation that the release gate held back or blocked, and that Redis still keeps",
        found=found,
        next_step="run the partition again",
    )
