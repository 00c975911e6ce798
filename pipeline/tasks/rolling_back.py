"""Roll back: readers see an earlier generation again, and the model that made the bad one goes with it if asked to.

The ledger is written first, Redis second, the release log last: each step finds its own work done when it is repeated,
so a rollback that broke off is completed by the same command with the same generation.
"""

from __future__ import annotations

from pipeline.errors import RefusedError, UnavailableError
from pipeline.job import Job
from pipeline.keyspace import Header, State
from pipeline.stores.predictions import Decision, Generation, Live, Rejection, Rollback
from pipeline.stores.predictions.janitor import find_retired
from pipeline.stores.predictions.refusals import refuse_rollback
from pipeline.tasks.manifests import find_highest_token, require_manifest
from pipeline.tasks.release_history import find_unlogged_rejections, log_release, notice_live
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace


def choose_rollback(workspace: Workspace, job: Job, *, to: str | None, with_model: bool) -> str:
    """The generation to return to: the one that is named, else the one that was live before, of other inputs.

    Args:
        with_model: else the newest one that was live and that another model made.

    Raises:
        RefusedError: there is none, or nothing is live.
        NotReadyError: the named one was never released.
    """
    if to is not None:
        require_manifest(workspace, job, to)
        return to
    live = _require_live(workspace, job)
    rejected = workspace.predictions.rejections(job.name)
    retired = find_retired(workspace.predictions.generations(job.name), rejected)
    if with_model:
        retired = [item for item in retired if _model_of(item) != live.header.model_version]
    if not retired:
        other = f" that another model than {live.header.model_version} made" if with_model else ""
        raise RefusedError(
            "nothing was rolled back: there is no generation to return to",
            job=job.name,
            partition=live.header.partition,
            expected=f"a generation that was live before {live.generation} and is still kept{other}",
            found="none",
            next_step=f"see `nightjar releases {job.name}`; an older night can be published again: "
            f"nightjar run {job.name} --partition D",
        )
    return retired[-1].name


def roll_back(workspace: Workspace, job: Job, to: str, *, with_model: bool, who: str, why: str) -> Summary:
    """Make ``to`` live again, and reject the inputs of everything that was released after it.

    Nothing is loaded.  The next night goes on normally, corrected inputs do; the same inputs do not come back.

    Args:
        with_model: also demote the models that made what is rolled back, so that nights from then on are scored by
            the champion before them.

    Raises:
        RefusedError: there is nothing to return to, somebody published meanwhile, or the model is the same.
        BadInputError: nobody is named, or no reason is given.
        UnavailableError: Redis does not take it.
    """
    Decision.make(job.name, who, why, workspace.wall_clock())
    require_manifest(workspace, job, to)
    notice_live(workspace, job)
    if with_model:
        _require_target(workspace, job, to)  # before the ledger is written, which nothing takes back
    demoted = _demote_models(workspace, job, to, who, why) if with_model else []
    try:
        done, header, rejected = _move_back(workspace, job, to, who, why)
    except (UnavailableError, OSError) as error:
        raise UnavailableError(
            "the rollback broke off, and may have been done in part",
            job=job.name,
            expected=f"{to} live, and a line in the release log that says so",
            found=error.problem if isinstance(error, UnavailableError) else str(error),
            next_step=f"repeat it with the generation named: nightjar rollback {job.name} --to {to}"
            f"{' --with-model' if with_model else ''} --why TEXT; what was done is found done",
        ) from error
    champion = workspace.ledger(job).champion(header.partition)
    return {
        "job": job.name,
        "generation": to,
        "partition": header.partition,
        "model_version": header.model_version,
        "previous": done.previous,
        "token": done.token,
        "rejected": sorted(rejection.generation for rejection in rejected.values()),
        "demoted": demoted,
        "champion": None if champion is None else champion.version,
    }


def _move_back(
    workspace: Workspace, job: Job, to: str, who: str, why: str
) -> tuple[Rollback, Header, dict[str, Rejection]]:
    """Move the pointer and write it down; what it took back, by the digest of its inputs."""
    known = find_highest_token(workspace, job)
    done = workspace.predictions.rollback(job.name, to, who=who, why=why, known_token=known)
    header = _require_live(workspace, job).header
    event = log_release(
        workspace,
        job,
        "rolled_back",
        header,
        token=done.token,
        who=who,
        why=why,
        previous=done.previous,
        rejected=find_unlogged_rejections(workspace, job),
    )
    return done, header, event.rejected


def _require_target(workspace: Workspace, job: Job, to: str) -> None:
    """Refuse what Redis would not return to."""
    live = _require_live(workspace, job)
    target = next((item for item in workspace.predictions.generations(job.name) if item.name == to), None)
    if live.generation != to and (target is None or target.state is not State.RETIRED or target.header is None):
        found = f"its state is {target.state}" if target is not None else "it is gone"
        raise refuse_rollback(job.name, to, found, live.generation)


def _demote_models(workspace: Workspace, job: Job, to: str, who: str, why: str) -> list[str]:
    """Demote every model that made something after ``to``; those that were demoted before are left as they are."""
    model = require_manifest(workspace, job, to)["model"]["version"]
    first_partitions = _find_models_after(workspace, job, to)
    first_partitions.pop(model, None)
    if not first_partitions:
        raise RefusedError(
            f"nothing was rolled back: model {model} made {to} as well as what came after it",
            job=job.name,
            expected="a generation that another model made",
            found=f"model {model} on both sides",
            next_step="roll back without the model, or name an older generation",
        )
    ledger = workspace.ledger(job)
    for version, partition in sorted(first_partitions.items(), key=lambda item: int(item[0]), reverse=True):
        champion = ledger.champion(partition)
        if champion is not None and champion.version == version:
            ledger.demote(version, holds_from=partition, who=who, why=why)
    return sorted(first_partitions)


def _find_models_after(workspace: Workspace, job: Job, to: str) -> dict[str, str]:
    """First partition by model version, of what was released after ``to``, or was rejected by the last rollback."""
    generations = {item.name: item for item in workspace.predictions.generations(job.name)}
    since = generations[to].released if to in generations else 0
    headers: list[Header] = [
        item.header
        for item in generations.values()
        if item.header is not None and item.state in (State.LIVE, State.RETIRED) and item.released > since
    ]
    found: dict[str, str] = {}
    for header in headers:
        _note(found, header.model_version, header.partition)
    live = workspace.predictions.live(job.name)
    if live is not None and live.generation == to:
        rejections = list(workspace.predictions.rejections(job.name).values())
        newest = max((rejection.at for rejection in rejections), default="")
        for rejection in (item for item in rejections if item.at == newest):
            version = require_manifest(workspace, job, rejection.generation)["model"]["version"]
            _note(found, version, rejection.partition)
    return found


def _note(found: dict[str, str], version: str, partition: str) -> None:
    found[version] = min(found.get(version, partition), partition)


def _model_of(generation: Generation) -> str | None:
    return generation.header.model_version if generation.header else None


def _require_live(workspace: Workspace, job: Job) -> Live:
    live = workspace.predictions.live(job.name)
    if live is None:
        raise RefusedError(
            "nothing was rolled back: nothing is live",
            job=job.name,
            expected="a live generation",
            found="none: Redis is empty, or nothing was released yet",
            next_step=f"nightjar republish {job.name}",
        )
    return live
