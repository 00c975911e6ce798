"""What the release log and Redis know of past releases, kept in step with each other."""

from __future__ import annotations

from typing import Any, Literal

from pipeline.digests import canonical_json
from pipeline.errors import RefusedError
from pipeline.job import Job
from pipeline.keyspace import Header
from pipeline.stores.predictions import Live, Rejection
from pipeline.stores.release_log import MADE_LIVE, ReleaseEvent, ReleaseKind, find_live, list_rejected
from pipeline.tasks.workspace import Workspace


def log_release(
    workspace: Workspace, job: Job, kind: ReleaseKind, header: Header, *, token: int, who: str, why: str, **details: Any
) -> ReleaseEvent:
    """Write down what became of a generation, unless the very same is written down already."""
    log = workspace.release_log(job)
    for event in reversed(log.events()):
        if (event.kind, event.generation, event.token) == (kind, header.generation, token):
            return event
    return log.append(
        kind,
        generation=header.generation,
        partition=header.partition,
        token=token,
        inputs=header.inputs,
        who=who,
        why=why,
        header=header.to_json_object(),
        **details,
    )


def log_pin(
    workspace: Workspace, job: Job, kind: Literal["pinned", "unpinned"], header: Header, *, who: str, why: str
) -> ReleaseEvent:
    """Write down a pin, or its end: each time anew."""
    return workspace.release_log(job).append(
        kind,
        generation=header.generation,
        partition=header.partition,
        token=header.token,
        inputs=header.inputs,
        who=who,
        why=why,
    )


def notice_live(workspace: Workspace, job: Job) -> None:
    """Write down what is live if the log does not say so: whoever made it live died before it could.

    If that was a rollback, whose token is not the generation's own, then also what it took back.
    """
    live = workspace.predictions.live(job.name)
    if live is None:
        return
    events = workspace.release_log(job).events()
    if any(event.kind in MADE_LIVE and event.token == live.token for event in events):
        return
    why = "found live; whoever released it ended before the log was written"
    if live.token == live.header.token:
        log_release(workspace, job, "released", live.header, token=live.token, who="unknown", why=why)
        return
    rejected = find_unlogged_rejections(workspace, job)
    newest = max(rejected.values(), key=lambda rejection: rejection.at, default=None)
    who, why = (newest.who, newest.why) if newest is not None else ("unknown", why)
    log_release(workspace, job, "rolled_back", live.header, token=live.token, who=who, why=why, rejected=rejected)


def find_unlogged_rejections(workspace: Workspace, job: Job) -> dict[str, Rejection]:
    """What Redis knows to be rolled back and the log does not, by the digest of its inputs."""
    logged = list_rejected(workspace.release_log(job).events())
    rejections = workspace.predictions.rejections(job.name)
    return {inputs: rejection for inputs, rejection in rejections.items() if inputs not in logged}


def find_served(workspace: Workspace, job: Job) -> Live | None:
    """What readers see; or saw, by the log, until Redis lost it or went back.  None before the first release."""
    logged = find_live(workspace.release_log(job).events())  # first: the log is written after Redis
    live = workspace.predictions.live(job.name)
    if logged is None or logged.header is None or (live is not None and live.token >= logged.token):
        return live
    return Live(logged.token, logged.generation, Header.from_json(canonical_json(logged.header)))


def refuse_lost(workspace: Workspace, job: Job, partition: str) -> None:
    """Refuse an older partition than the one that Redis lost: with nothing newer in its way it would go live.

    Raises:
        RefusedError: naming what was live.
    """
    served, live = find_served(workspace, job), workspace.predictions.live(job.name)
    if served is None or partition >= served.header.partition or (live is not None and live.token >= served.token):
        return
    raise RefusedError(
        "Redis has lost a newer partition, which this one must not take the place of; nothing was published",
        job=job.name,
        partition=partition,
        expected=f"generation {served.generation} of {served.header.partition} live, as the release log has it",
        found="nothing live" if live is None else f"generation {live.generation} live",
        next_step=f"nightjar republish {job.name}, then run the partition again",
    )


def refuse_rejected(workspace: Workspace, job: Job, partition: str, inputs: str) -> None:
    """Refuse to load again what a rollback has taken back, by the log and by Redis, either of which may be behind.

    Raises:
        RefusedError: naming who rolled it back, and why.
    """
    rejected = list_rejected(workspace.release_log(job).events())
    rejected |= workspace.predictions.rejections(job.name)
    if inputs not in rejected:
        return
    rejection = rejected[inputs]
    raise RefusedError(
        "the same inputs were released before, and rolled back; nothing was published",
        job=job.name,
        partition=partition,
        expected="other inputs than those of a release that was rolled back",
        found=f"those of {rejection.generation}, rolled back by {rejection.who} at {rejection.at}: {rejection.why}",
        next_step="have upstream correct its data, or the model replaced, and run the partition again; or release the "
        f"same all the same: nightjar run {job.name} --partition {partition} --release-rejected, or the param "
        "release_rejected of the DAG",
    )


def find_events(workspace: Workspace, job: Job, generation: str) -> list[ReleaseEvent]:
    """What became of one generation, in order; rollbacks that took it back among them."""
    return [
        event
        for event in workspace.release_log(job).events()
        if event.generation == generation
        or any(rejection.generation == generation for rejection in event.rejected.values())
    ]
