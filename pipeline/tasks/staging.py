"""Stage a release: load a generation, read it back, ask the gate, write the manifest, seal it; nobody reads it yet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.errors import DamagedError
from pipeline.job import Job
from pipeline.keyspace import Header
from pipeline.stores.predictions.load import Load
from pipeline.tasks.acceptances import caveats_of
from pipeline.tasks.candidates import Candidate, draft_manifest
from pipeline.tasks.cold_starts import read_priors
from pipeline.tasks.comparing import ScoredPopulation
from pipeline.tasks.gating import Verdict, judge_release
from pipeline.tasks.manifests import AS_CORRECTED, find_highest_token, write_manifest
from pipeline.tasks.monitoring.profiles import KnownProfile, describe_profile
from pipeline.tasks.night_inputs import PIN_STAGE
from pipeline.tasks.overtaking import check_current
from pipeline.tasks.preflight import check_space
from pipeline.tasks.reasons import Reasons, read_reasons
from pipeline.tasks.release_history import find_served
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


@dataclass(frozen=True)
class _Loaded:
    """A load that was read back and judged.

    Attributes:
        prior_segment: the column that priors are by; None if there are none.
        accounting: rows, from received to read back.
        timings: seconds by step.
    """

    prior_segment: str | None
    reasons: Reasons
    profile: KnownProfile
    accounting: dict[str, int]
    gate: Verdict
    timings: dict[str, float]


def stage_release(
    workspace: Workspace, job: Job, candidate: Candidate, inputs: str, *, gather: bool, dry_run: bool
) -> Staged:
    """Load a generation, read it back, ask the gate, and seal it, unless this is a dry run.

    Args:
        inputs: digest of what the predictions are made of.
        gather: hold all rows in memory to choose buckets by their ids, for ids that would leave one empty.
    """
    rows = candidate.scored.facts["rows"]
    accounting = _count_scored(job, candidate)
    check_space(workspace, job, rows)
    warnings = workspace.predictions.preflight(job.name, rows)["warnings"]
    with workspace.predictions.begin(
        job.name,
        candidate.partition,
        rows=rows,
        shards=len(candidate.scored.files),
        known_token=find_highest_token(workspace, job),
        decimals=job.decimals,
        gather=gather,
    ) as load:
        check_current(workspace, job, candidate)
        loaded = _load(workspace, job, candidate, load, accounting)
        caveats = _list_caveats(workspace, job, candidate)
        header = None
        if dry_run:
            load.discard()
        else:
            header = _seal(workspace, job, candidate, load, loaded, inputs, caveats)
    return Staged(
        generation=load.generation,
        token=load.token,
        header=header,
        inputs=inputs,
        gate=loaded.gate,
        accounting=loaded.accounting,
        bytes_per_prediction=load.bytes_per_prediction,
        warnings=[*warnings, *filter(None, (loaded.reasons.warning, loaded.profile.warning))],
        reasons=len(loaded.reasons.texts),
        caveats=caveats,
    )


def _load(workspace: Workspace, job: Job, candidate: Candidate, load: Load, accounting: Mapping[str, int]) -> _Loaded:
    """Send all that readers may ask for, read it back, see that no row is missing, and ask the gate."""
    partition, scored, start = candidate.partition, candidate.scored, time.perf_counter()
    priors, prior_segment = read_priors(workspace, job, scored.inputs["model_version"])
    if priors:
        load.send_priors(priors)
    reasons = read_reasons(workspace, job, partition, candidate.reasons)
    profile = describe_profile(workspace, job, partition, candidate.profile)
    if reasons.texts:
        load.send_reasons(reasons.texts)
    for label in sorted(scored.files):
        load.send(workspace.outputs(job).read(scored, label))
    sent = time.perf_counter()
    counts = {**accounting, "published": load.sent_rows, "read_back": load.read_back()}
    _check_published(job, partition, counts)
    read_back = time.perf_counter()
    gate = _ask_gate(workspace, job, candidate)
    timings = {"load": sent - start, "read_back": read_back - sent, "gate": time.perf_counter() - read_back}
    return _Loaded(prior_segment, reasons, profile, counts, gate, timings)


def _seal(
    workspace: Workspace,
    job: Job,
    candidate: Candidate,
    load: Load,
    loaded: _Loaded,
    inputs: str,
    caveats: tuple[str, ...],
) -> Header:
    """Write the manifest of a load that was read back, and its header, with which readers may be given it."""
    manifest = draft_manifest(
        workspace,
        job,
        candidate,
        load.generation,
        inputs=inputs,
        accounting=loaded.accounting,
        bytes_per_prediction=load.bytes_per_prediction,
        gate=loaded.gate.to_json(),
        timings={name: round(seconds, 3) for name, seconds in loaded.timings.items()},
        reasons=loaded.reasons.described,
        profile=loaded.profile.described,
    )
    header = load.make_header(
        cutoff=job.cutoff(date.fromisoformat(candidate.partition)),
        model_version=candidate.scored.inputs["model_version"],
        feature_set=candidate.scored.inputs["feature_set"],
        columns=PREDICTION_COLUMNS,
        max_age_seconds=None if job.max_age is None else int(job.max_age.total_seconds()),
        manifest=write_manifest(workspace, job, manifest),
        inputs=inputs,
        basis=candidate.basis,
        prior_segment=loaded.prior_segment,
        caveats=caveats,
    )
    load.seal(header)
    return header


def _list_caveats(workspace: Workspace, job: Job, candidate: Candidate) -> tuple[str, ...]:
    """What readers are told: of an audit, which they would take for the night's release, and of acceptances."""
    pinned = workspace.outputs(job).load(PIN_STAGE, candidate.night).inputs
    basis = () if candidate.basis == AS_CORRECTED else ("as known then: made without what was corrected since",)
    return (*basis, *caveats_of(pinned["acceptances"]))


def _ask_gate(workspace: Workspace, job: Job, candidate: Candidate) -> Verdict:
    if candidate.basis != AS_CORRECTED:
        return Verdict("not_asked", "it is made of what was known on a past night, and never goes live")
    staged = ScoredPopulation(candidate.scored, candidate.own[job.population.name].rows)
    return judge_release(workspace, job, candidate.partition, staged, find_served(workspace, job))


def _count_scored(job: Job, candidate: Candidate) -> dict[str, int]:
    """The accounting up to scoring; received = quarantined + scored, or nothing is published."""
    population = candidate.own[job.population.name].rows
    counts = {
        "received": population.facts["received"],
        "quarantined": population.facts["quarantined"],
        "scored": candidate.scored.facts["rows"],
    }
    if counts["received"] != counts["quarantined"] + counts["scored"]:
        raise _unaccounted(job, candidate.partition, "received = quarantined + scored", counts)
    return counts


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
