"""Watching: what a released night was like, written down beside what is usual, and the alarms that follow.

It comes after the release and changes nothing about it.  What it needs it finds by the release's manifest, so a night
can be watched by whoever knows its generation, as often as they like.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from pipeline.digests import digest_json
from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.keyspace import token_of
from pipeline.monitoring import Observed
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.candidates import read_scored_population
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.grading import list_published
from pipeline.tasks.manifests import AS_CORRECTED, require_manifest
from pipeline.tasks.monitoring.alarming import judge_alarms, summarise_events
from pipeline.tasks.monitoring.estimating import estimate_night, estimate_signal
from pipeline.tasks.monitoring.followups import explain_breaches, refresh_report
from pipeline.tasks.monitoring.inputs import InputsSeen, mute_inputs, observe_inputs
from pipeline.tasks.monitoring.operations import observe_operations
from pipeline.tasks.monitoring.outputs import observe_outputs
from pipeline.tasks.monitoring.past_nights import read_past
from pipeline.tasks.monitoring.profiles import PROFILE_STAGE, profile_features
from pipeline.tasks.monitoring.references import ensure_reference, stand_in
from pipeline.tasks.runs import WATCH, Summary, read_run, record_stage
from pipeline.tasks.scoring import SCORE_STAGE
from pipeline.tasks.workspace import Workspace

NOT_RELEASED = {"dry_run": "a dry run leaves nothing to watch", "held": "the release gate has held it back"}
"""Why what a publication ended with is not watched, by its result."""


def watch(workspace: Workspace, job: Job, partition: str, run: str, published: Mapping[str, Any]) -> Summary:
    """Write down what a released night was like, and raise and resolve alarms.

    What readers were not given, and what was made for an audit, is not watched.

    Args:
        published: summary of the publication, or of the approval after it.

    Returns:
        ``watched``, and ``why`` not; ``rows``; ``breached`` (signals beyond their limits); ``muted`` (why, by signal);
        ``raised``, ``resolved``, ``unjudged`` and ``ask`` (see :func:`summarise_events`);
        ``warnings`` (what could not be explained or reported);
        ``share_of_run`` (of all seconds of the night, those of watching and counting features).

    Raises:
        DamagedError: the release, or the record of another night, is not what it was.
        UnavailableError: others write to the log of alarms all the time.
    """

    def work() -> Summary:
        why = NOT_RELEASED.get(published["result"])
        if why is not None:
            return _pass_by(why)
        return _watch_release(workspace, job, partition, run, published)

    return record_stage(workspace, job, partition, run, WATCH, work)


def _watch_release(workspace: Workspace, job: Job, partition: str, run: str, published: Mapping[str, Any]) -> Summary:
    start = time.perf_counter()
    manifest = require_manifest(workspace, job, published["generation"])
    why = _find_reason_to_pass(workspace, job, manifest)
    if why is not None:
        return _pass_by(why)
    seen = _observe(workspace, job, manifest, went_live=published["result"] == "live")
    workspace.monitoring(job).write_observed(seen)
    events = judge_alarms(workspace, job, partition, run)
    warnings = explain_breaches(workspace, job, seen) + refresh_report(workspace, job, partition)
    watching = time.perf_counter() - start
    counting = _read_counting(workspace, job, manifest)
    return {
        "watched": True,
        "why": None,
        "generation": seen.generation,
        "rows": seen.rows,
        "breached": [signal.model_dump(mode="json") for signal in seen.signals if signal.breached],
        "muted": {signal.name: signal.muted for signal in seen.signals if signal.muted is not None},
        **summarise_events(events),
        "warnings": warnings,
        "share_of_run": round((watching + counting) / (seen.operations.seconds + watching), 4),
    }


def _find_reason_to_pass(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> str | None:
    """Why a release is not watched; None to watch it."""
    if manifest["basis"] != AS_CORRECTED:
        return "it is made of what was known on a past night, and never goes live"
    before = workspace.monitoring(job).find_observed(manifest["partition"])
    if before is not None and (token_of(before.generation) or 0) > (token_of(manifest["generation"]) or 0):
        return f"the newer release {before.generation} of this partition was watched already"
    return None


def _pass_by(why: str) -> Summary:
    nothing: Summary = {"breached": [], "muted": {}, **summarise_events([]), "warnings": []}
    return {"watched": False, "why": why, "rows": 0, **nothing, "share_of_run": None}


def _compare_inputs(
    workspace: Workspace, job: Job, manifest: Mapping[str, Any], version: ModelVersion, past: Sequence[Observed]
) -> InputsSeen:
    """The features of a release beside what they should be like; muted where there is nothing to compare."""
    if manifest.get("profile") is None:
        return mute_inputs("the features were not counted")
    profile = _find_profile(workspace, job, manifest, version)
    if profile is None:
        return mute_inputs("what the model was trained on is not known any more")
    return observe_inputs(workspace, job, manifest["partition"], version, profile, past)


def _find_profile(workspace: Workspace, job: Job, manifest: Mapping[str, Any], version: ModelVersion) -> Output | None:
    """The features of a release, counted over the reference of its model; None if there is none to count over.

    Where the training rows of the model are gone the newest released night stands in from now on, and no other: what is
    made for an audit or a dry run, and what nobody was served yet, is not watched.
    """
    outputs = workspace.outputs(job)
    profile = outputs.load(PROFILE_STAGE, manifest["profile"]["address"])
    try:
        reference = ensure_reference(workspace, job, version)
    except NotReadyError:
        if manifest["partition"] < max(list_published(workspace.release_log(job).events()), default=""):
            return None
        reference = stand_in(workspace, job, version, outputs.load(BUILD_STAGE, profile.facts["made_of"]))
    if profile.inputs["reference"] == digest_json(reference):
        return profile
    # It was counted over itself, before another night stood in.
    return profile_features(workspace, job, outputs.load(BUILD_STAGE, profile.facts["made_of"]), reference)


def _observe(workspace: Workspace, job: Job, manifest: Mapping[str, Any], *, went_live: bool) -> Observed:
    """What a release was like; its profile is written down, which weekdays to come are compared with."""
    partition, outputs = manifest["partition"], workspace.outputs(job)
    version = workspace.ledger(job).version(manifest["model"]["version"])
    scored = outputs.load(SCORE_STAGE, manifest["scores"]["address"])
    past = read_past(workspace, job, partition)
    inputs = _compare_inputs(workspace, job, manifest, version, past)
    predicted = observe_outputs(workspace, job, read_scored_population(workspace, job, manifest), past)
    estimate = estimate_night(workspace, job, partition, scored)
    estimated = estimate_signal(job, estimate, past)
    went = observe_operations(workspace, job, manifest, scored, past, went_live=went_live)
    workspace.monitoring(job).write_profile(partition, inputs.profile)
    return Observed(
        partition=partition,
        run=manifest["run"],
        generation=manifest["generation"],
        model_version=version.version,
        model_digest=manifest["model"]["digest"],
        observed_at=workspace.clock().astimezone(UTC).isoformat(timespec="seconds"),
        went_live=went_live,
        rows=predicted.outputs.rows,
        signals=(*inputs.signals, *predicted.signals, *went.signals, estimated),
        outputs=predicted.outputs,
        operations=went.operations,
        drift=inputs.drift,
        estimate=estimate,
    )


def _read_counting(workspace: Workspace, job: Job, manifest: Mapping[str, Any]) -> float:
    """Seconds that the score stage has counted features for."""
    stages = read_run(workspace, job, manifest["partition"], manifest["run"])["stages"]
    return sum(float(record.get("profile_seconds", 0.0)) for record in stages)
