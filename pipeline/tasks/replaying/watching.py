"""Watch a replayed policy: what monitoring would have seen of every night, and the alarms that it would have raised.

Records and alarms are those of production, made by the same functions, and are kept under the policy's own folder.  How
a run went, and how Redis answered, is not replayed: there was none.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd

from pipeline.monitoring import Graded, Observed, Operations
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import ENTITY_ID, ScoredPopulation, read_shards
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.labelling import recall_labels
from pipeline.tasks.monitoring.alarming import judge_alarms
from pipeline.tasks.monitoring.estimating import estimate_night, estimate_signal
from pipeline.tasks.monitoring.feedback import grade_rows
from pipeline.tasks.monitoring.inputs import observe_inputs
from pipeline.tasks.monitoring.outputs import observe_outputs
from pipeline.tasks.monitoring.past_nights import read_past
from pipeline.tasks.monitoring.profiles import profile_features
from pipeline.tasks.monitoring.references import ensure_reference
from pipeline.tasks.replaying.days import Replay, Tell, closing_day
from pipeline.tasks.replaying.deciding import RUN, Decision, find_served
from pipeline.tasks.replaying.serving import score_night
from pipeline.tasks.validating import STAGE as VALIDATE_STAGE
from pipeline.tasks.workspace import Workspace

NOT_RUN = Operations(
    stages=(), seconds=0.0, quarantine={}, received={}, age_seconds=None, bytes_per_prediction=None, reads=None
)
"""A replay publishes nothing."""


def watch_policy(replay: Replay, policy: str, decisions: Sequence[Decision], tell: Tell) -> dict[str, Any]:
    """What would have been seen of every night that a policy served, in the order in which it would have been.

    The nights are watched from the first one on, whatever an earlier replay has left.

    Returns:
        ``nights`` and ``alarms``, as ``watched.json`` has them.
    """
    job = replay.job
    _open(replay, policy, replay.first).monitoring(job).forget()
    nights = []
    for done, night in enumerate(replay.nights, start=1):
        _grade_closed(replay, policy, decisions, night)
        version = find_served(decisions, night)
        seconds = None if version is None else _watch_night(replay, policy, version, night)
        nights.append({"partition": night.isoformat(), "seconds": seconds})
        tell("watch", done, len(replay.nights))
    # The labels of the last nights close after them.
    for age in range(1, job.label.closes_after + 1):
        _grade_closed(replay, policy, decisions, replay.last + timedelta(days=age))
    return _describe(replay, policy, nights)


def _describe(replay: Replay, policy: str, nights: list[dict[str, Any]]) -> dict[str, Any]:
    records = _open(replay, policy, replay.last).monitoring(replay.job)
    observed = {night.partition: night for night in records.observed()}
    graded = {night.partition: night for night in records.graded()}
    return {
        "job": replay.job.name,
        "policy": policy,
        "first": replay.first.isoformat(),
        "last": replay.last.isoformat(),
        "monitoring": replay.job.monitoring.model_dump(mode="json"),
        "nights": [
            night | _describe_night(observed[night["partition"]], graded.get(night["partition"]))
            for night in nights
            if night["partition"] in observed
        ],
        "alarms": [event.model_dump(mode="json") for event in records.alarms.events()],
    }


def _describe_night(observed: Observed, graded: Graded | None) -> dict[str, Any]:
    said = graded and graded.model_dump(
        mode="json", include={"labelled", "scored", "metrics", "estimated", "calibration", "signals"}
    )
    shown = {"model_version", "rows", "signals", "outputs", "drift", "estimate"}
    return {**observed.model_dump(mode="json", include=shown), "graded": said}


def _watch_night(replay: Replay, policy: str, version: ModelVersion, night: date) -> float | None:
    """Write the record of a night, and judge its alarms; the seconds that took, None if it was not served."""
    job, day = replay.job, night.isoformat()
    scored = score_night(replay, version, day)
    if scored is None:
        return None
    start = time.perf_counter()
    workspace = _open(replay, policy, night)
    features = workspace.outputs(job).load(BUILD_STAGE, replay.days[day]["features"])
    profile = profile_features(workspace, job, features, ensure_reference(workspace, job, version))
    past = read_past(workspace, job, day)
    inputs = observe_inputs(workspace, job, day, version, profile, past)
    outputs = observe_outputs(workspace, job, _find_rows(workspace, replay, day, scored), past)
    estimate = estimate_night(workspace, job, day, scored)
    signals = (*inputs.signals, *outputs.signals, estimate_signal(job, estimate, past))
    records = workspace.monitoring(job)
    records.write_profile(day, inputs.profile)
    records.write_observed(
        Observed(
            partition=day,
            run=RUN,
            generation=_name_generation(day),
            model_version=version.version,
            model_digest=version.registration.model_digest,
            observed_at=workspace.clock().isoformat(),
            went_live=True,
            rows=outputs.outputs.rows,
            signals=signals,
            outputs=outputs.outputs,
            operations=NOT_RUN,
            drift=inputs.drift,
            estimate=estimate,
        )
    )
    judge_alarms(workspace, job, day, RUN)
    return round(time.perf_counter() - start, 3)


def _grade_closed(replay: Replay, policy: str, decisions: Sequence[Decision], night: date) -> None:
    """Grade the night whose labels have closed with this one, if it was watched and its outcomes are known."""
    job = replay.job
    graded = night - timedelta(days=job.label.closes_after)
    day = graded.isoformat()
    version = find_served(decisions, graded) if graded >= replay.first else None
    if version is None or "labels" not in replay.days[day] or closing_day(job, day) > replay.known_by:
        return
    workspace = _open(replay, policy, night)
    watched = workspace.monitoring(job).find_observed(day)
    scored = score_night(replay, version, day)
    if watched is None or scored is None:
        return
    rows = _label_rows(workspace, replay, day, scored)
    if rows.empty:
        return
    records = workspace.monitoring(job)
    records.write_graded(
        grade_rows(
            job,
            rows,
            records.graded(last=_day_before(day)),
            partition=day,
            generation=watched.generation,
            model_version=watched.model_version,
            model_digest=watched.model_digest,
            graded_at=workspace.clock().isoformat(),
            scored=watched.rows,
            estimated={} if watched.estimate is None else watched.estimate.metrics,
        )
    )
    judge_alarms(workspace, job, day, RUN)


def _label_rows(workspace: Workspace, replay: Replay, day: str, scored: Output) -> pd.DataFrame:
    """The served rows whose outcome is known: prediction, label, and the job's segment columns."""
    job = replay.job
    rows = pd.concat(read_shards(workspace, job, _find_rows(workspace, replay, day, scored)), ignore_index=True)
    labels = recall_labels(workspace, job, replay.days[day]["labels"])
    return rows.merge(labels, left_on=ENTITY_ID, right_on=job.entity_id, validate="one_to_one")


def _find_rows(workspace: Workspace, replay: Replay, day: str, scored: Output) -> ScoredPopulation:
    population = workspace.outputs(replay.job).load(VALIDATE_STAGE, replay.days[day]["population"])
    return ScoredPopulation(scored, population)


def _day_before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def _name_generation(day: str) -> str:
    return f"replayed-{day}"


def _open(replay: Replay, policy: str, night: date) -> Workspace:
    return replay.open(policy, replay.job.cutoff(night))
