"""Release scores: load a generation, read it back, hold it against the gate, write its manifest, make it live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.errors import DamagedError, RefusedError
from pipeline.job import Job
from pipeline.keyspace import Header
from pipeline.stores.predictions import UnevenIdsError
from pipeline.stores.predictions.load import Load
from pipeline.stores.release_log import ReleaseKind
from pipeline.tasks.acceptances import caveats_of
from pipeline.tasks.candidates import Candidate, draft_manifest
from pipeline.tasks.cold_starts import read_priors
from pipeline.tasks.comparing import ScoredPopulation, check_segments
from pipeline.tasks.gating import Verdict, judge_release, refuse_breach
from pipeline.tasks.manifests import AS_CORRECTED, find_highest_token, write_manifest
from pipeline.tasks.monitoring.profiles import describe_profile
from pipeline.tasks.night_inputs import PIN_STAGE, SourceOfNight
from pipeline.tasks.partitions import find_delivery
from pipeline.tasks.preflight import check_space
from pipeline.tasks.reasons import read_reasons
from pipeline.tasks.release_history import find_served, log_release, notice_live, refuse_lost, refuse_rejected
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace

PREDICTION_COLUMNS = ("prediction",)


@dataclass(frozen=True)
class Staged:
    """A generation that was loaded and read back.

    Attributes:
        header: of the sealed generation; None in a dry run, whose load is discarded.
        inputs: digest of what the predictions are made of.
        gate: the verdict of the release gate.
        warnings: what Redis lets pass and should not be left so, and why there are no reasons or profile, in words.
        reasons: predictions that have reasons.
        caveats: what readers are told with every answer, or would be.
    """

    generation: str
    token: int
    header: Header | None
    inputs: str
    gate: Verdict
    accounting: dict[str, int]
    bytes_per_prediction: float | None
    warnings: list[str]
    reasons: int
    caveats: tuple[str, ...]


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
        staged = _stage(workspace, job, candidate, inputs, gather=False, dry_run=dry_run)
    except UnevenIdsError:
        staged = _stage(workspace, job, candidate, inputs, gather=True, dry_run=dry_run)
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


def check_current(workspace: Workspace, job: Job, candidate: Candidate) -> None:
    """Refuse to publish what was overtaken while it was made: by a re-delivery, or by another champion.

    It is asked after the fencing token was taken.  A run that overtakes this one later gets a higher token, and then
    this one is refused at the flip.

    Raises:
        RefusedError: a newer run of the partition would give something else.
    """
    partition, own = candidate.partition, candidate.own
    for source in job.sources:
        newest = find_delivery(workspace, source, partition)
        worked_on = own[source.name].delivery["digest"]
        if newest is not None and newest.digest != worked_on:
            raise _overtaken(job, partition, f"delivery {newest.digest[:12]} of {source.name}", worked_on[:12])
    outputs = workspace.outputs(job)
    if outputs.is_redacted(own[job.population.name].rows) or outputs.is_redacted(candidate.scored):
        raise _overtaken(job, partition, "the rows that an erasure has left", "those of before it")
    champion = workspace.ledger(job).champion(partition)
    scored_by = candidate.scored.inputs["model_version"]
    if champion is None or champion.version != scored_by:
        now = "no champion" if champion is None else f"champion {champion.version}"
        raise _overtaken(job, partition, now, f"scores of model {scored_by}")


def _stage(workspace: Workspace, job: Job, candidate: Candidate, inputs: str, *, gather: bool, dry_run: bool) -> Staged:
    """Load a generation, read it back, ask the gate, and seal it, unless this is a dry run.

    Args:
        gather: hold all rows in memory to choose buckets by their ids, for ids that would leave one empty.
    """
    partition, scored, start = candidate.partition, candidate.scored, time.perf_counter()
    population = candidate.own[job.population.name]
    accounting = _count_scored(job, partition, population, candidate)
    check_space(workspace, job, accounting["scored"])
    warnings = workspace.predictions.preflight(job.name, accounting["scored"])["warnings"]
    with workspace.predictions.begin(
        job.name,
        partition,
        rows=accounting["scored"],
        shards=len(scored.files),
        known_token=find_highest_token(workspace, job),
        decimals=job.decimals,
        gather=gather,
    ) as load:
        check_current(workspace, job, candidate)
        priors, prior_segment = read_priors(workspace, job, scored.inputs["model_version"])
        if priors:
            load.send_priors(priors)
        reasons = read_reasons(workspace, job, partition, candidate.reasons)
        profile = describe_profile(workspace, job, partition, candidate.profile)
        if reasons.texts:
            load.send_reasons(reasons.texts)
        for label in sorted(scored.files):
            load.send(workspace.outputs(job).read(scored, label))
        loaded = time.perf_counter()
        accounting["published"] = load.sent_rows
        accounting["read_back"] = load.read_back()
        _check_published(job, partition, accounting)
        read_back = time.perf_counter()
        gate = _ask_gate(workspace, job, candidate)
        timings = {"load": loaded - start, "read_back": read_back - loaded, "gate": time.perf_counter() - read_back}
        caveats = _list_caveats(workspace, job, candidate)
        header = None
        if dry_run:
            load.discard()
        else:
            manifest = draft_manifest(
                workspace,
                job,
                candidate,
                load.generation,
                inputs=inputs,
                accounting=accounting,
                bytes_per_prediction=load.bytes_per_prediction,
                gate=gate.to_json(),
                timings={name: round(seconds, 3) for name, seconds in timings.items()},
                reasons=reasons.described,
                profile=profile.described,
            )
            digest = write_manifest(workspace, job, manifest)
            header = _make_header(job, candidate, load, inputs, digest, prior_segment, caveats)
            load.seal(header)
    return Staged(
        generation=load.generation,
        token=load.token,
        header=header,
        inputs=inputs,
        gate=gate,
        accounting=accounting,
        bytes_per_prediction=load.bytes_per_prediction,
        warnings=[*warnings, *filter(None, (reasons.warning, profile.warning))],
        reasons=len(reasons.texts),
        caveats=caveats,
    )


def _list_caveats(workspace: Workspace, job: Job, candidate: Candidate) -> tuple[str, ...]:
    """What readers are told: of an audit, which they would take for the night's release, and of acceptances."""
    pinned = workspace.outputs(job).load(PIN_STAGE, candidate.night).inputs
    basis = () if candidate.basis == AS_CORRECTED else ("as known then: made without what was corrected since",)
    return (*basis, *caveats_of(pinned["acceptances"]))


def _make_header(
    job: Job,
    candidate: Candidate,
    load: Load,
    inputs: str,
    manifest: str,
    prior_segment: str | None,
    caveats: tuple[str, ...],
) -> Header:
    return load.make_header(
        cutoff=job.cutoff(date.fromisoformat(candidate.partition)),
        model_version=candidate.scored.inputs["model_version"],
        feature_set=candidate.scored.inputs["feature_set"],
        columns=PREDICTION_COLUMNS,
        max_age_seconds=None if job.max_age is None else int(job.max_age.total_seconds()),
        manifest=manifest,
        inputs=inputs,
        basis=candidate.basis,
        prior_segment=prior_segment,
        caveats=caveats,
    )


def _ask_gate(workspace: Workspace, job: Job, candidate: Candidate) -> Verdict:
    if candidate.basis != AS_CORRECTED:
        return Verdict("not_asked", "it is made of what was known on a past night, and never goes live")
    staged = ScoredPopulation(candidate.scored, candidate.own[job.population.name].rows)
    return judge_release(workspace, job, candidate.partition, staged, find_served(workspace, job))


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


def _count_scored(job: Job, partition: str, population: SourceOfNight, candidate: Candidate) -> dict[str, int]:
    """The accounting up to scoring; received = quarantined + scored, or nothing is published."""
    counts = {
        "received": population.rows.facts["received"],
        "quarantined": population.rows.facts["quarantined"],
        "scored": candidate.scored.facts["rows"],
    }
    if counts["received"] != counts["quarantined"] + counts["scored"]:
        raise _unaccounted(job, partition, "received = quarantined + scored", counts)
    return counts


def _overtaken(job: Job, partition: str, expected: str, found: str) -> RefusedError:
    return RefusedError(
        "this run was overtaken while it worked; nothing was published",
        job=job.name,
        partition=partition,
        expected=expected,
        found=found,
        next_step="run the partition again: it takes what there is now",
    )


def _check_published(job: Job, partition: str, counts: dict[str, int]) -> None:
    if not counts["scored"] == counts["published"] == counts["read_back"]:
        raise _unaccounted(job, partition, "scored = published = read back", counts)


def _unaccounted(job: Job, partition: str, identity: str, counts: Mapping[str, int]) -> DamagedError:
    return DamagedError(
        "rows of the population are not accounted for; nothing was made live",
        job=job.name,
        partition=partition,
        expected=identity,
        found=", ".join(f"{count} {name}" for name, count in counts.items()),
        next_step="report this: it is a fault of the pipeline, not of the data",
    )
