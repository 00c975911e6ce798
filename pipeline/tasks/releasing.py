"""Release scores: stage a generation, and do with it what the gate says; make it live if that lets it pass."""

from __future__ import annotations

from pipeline.errors import RefusedError
from pipeline.job import Job
from pipeline.keyspace import Header
from pipeline.stores.predictions import UnevenIdsError
from pipeline.stores.release_log import ReleaseKind
from pipeline.tasks.candidates import Candidate
from pipeline.tasks.cold_starts import read_priors
from pipeline.tasks.comparing import check_segments
from pipeline.tasks.gating import Verdict, refuse_breach
from pipeline.tasks.manifests import AS_CORRECTED
from pipeline.tasks.release_history import find_served, log_release, notice_live, refuse_lost, refuse_rejected
from pipeline.tasks.runs import Summary
from pipeline.tasks.staging import Staged, stage_release
from pipeline.tasks.workspace import Workspace


def publish_release(
    workspace: Workspace,
    job: Job,
    candidate: Candidate,
    *,
    dry_run: bool = False,
    release_rejected: bool = False,
) -> Summary:
    """Publish the scores of a partition as a new generation.

    An older partition than the live one is stored and can be read by partition; it does not become live.  Neither does
    what the gate holds back, nor what is made of what was known on a past night.
    """
    check_segments(job)
    if not dry_run:
        notice_live(workspace, job)
    if candidate.basis == AS_CORRECTED:
        refuse_lost(workspace, job, candidate.partition)
    priors, _ = read_priors(workspace, job, candidate.scored.inputs["model_version"])
    inputs = candidate.digest_inputs(priors)
    if not release_rejected and candidate.basis == AS_CORRECTED:
        refuse_rejected(workspace, job, candidate.partition, inputs)
    try:
        staged = stage_release(workspace, job, candidate, inputs, gather=False, dry_run=dry_run)
    except UnevenIdsError:
        staged = stage_release(workspace, job, candidate, inputs, gather=True, dry_run=dry_run)
    result, previous = "dry_run", staged.gate.against
    if staged.header is not None:
        result, previous = _end(workspace, job, candidate, staged, staged.header, release_rejected=release_rejected)
    return {
        "generation": staged.generation,
        "result": result,
        "previous": previous,
        "model_version": candidate.scored.inputs["model_version"],
        "manifest": None if staged.header is None else staged.header.manifest,
        "rows": staged.accounting["read_back"],
        "accounting": staged.accounting,
        "gate": staged.gate.summarise(),
        "reasons": staged.reasons,
        "warnings": staged.warnings,
        "caveats": list(staged.caveats),
        "bytes_per_prediction": staged.bytes_per_prediction,
        "pruned": [] if dry_run else workspace.janitor.prune(job.name),
    }


def _end(
    workspace: Workspace, job: Job, candidate: Candidate, staged: Staged, header: Header, *, release_rejected: bool
) -> tuple[str, str | None]:
    """Do with a sealed generation what the gate says, and write it down; the result, and what was live before."""
    gate, who = staged.gate, candidate.run
    if gate.result == "breached":
        is_held = job.release_gate is not None and job.release_gate.on_breach == "ask"
        kind: ReleaseKind = "held" if is_held else "refused"
        log_release(workspace, job, kind, header, token=staged.token, who=who, why=gate.why, previous=gate.against)
        if is_held:
            return "held", gate.against
        raise refuse_breach(job, candidate.partition, staged.generation, gate)
    if job.release_gate is not None and candidate.basis == AS_CORRECTED:
        _check_same_live(workspace, job, candidate.partition, staged.gate)
    flip = workspace.predictions.flip(job.name, staged.generation, staged.token, allow_rejected=release_rejected)
    log_release(
        workspace,
        job,
        "released" if flip.result == "live" else "kept",
        header,
        token=staged.token,
        who=who,
        why=gate.why,
        previous=flip.previous,
        readmitted=(staged.inputs,) if release_rejected and candidate.basis == AS_CORRECTED else (),
    )
    return flip.result, flip.previous


def _check_same_live(workspace: Workspace, job: Job, partition: str, gate: Verdict) -> None:
    """Refuse to replace another generation than the one that the gate compared with, or any if it knew of none."""
    if gate.result == "not_asked" and gate.against is not None:
        return
    served = find_served(workspace, job)
    found = None if served is None else served.generation
    if found != gate.against:
        raise RefusedError(
            "another release became live while this one was compared with the one before; nothing was made live",
            job=job.name,
            partition=partition,
            expected=f"generation {gate.against} live" if gate.against else "nothing live",
            found=f"generation {found} live" if found else "nothing live",
            next_step="run the partition again: it is compared with what is live now",
        )
