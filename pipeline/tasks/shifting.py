"""Which features moved the scores of a night: for nights that look unlike the ones before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.errors import NotReadyError, RefusedError
from pipeline.job import Job
from pipeline.keyspace import token_of
from pipeline.monitoring import Moved
from pipeline.predicting import predict_outcomes
from pipeline.stages import explain
from pipeline.stages.matrix import take_matrix
from pipeline.stores.release_log import ReleaseEvent
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_sampling import drop_partitions, keep_rows, sample_features
from pipeline.tasks.manifests import AS_CORRECTED, read_manifest
from pipeline.tasks.workspace import Workspace

MOST_ROWS = 500
"""Of each side."""
_COMPARED = frozenset({"inputs", "outputs"})
"""Monitors by whose signals a night is an ordinary one."""

Manifest = Mapping[str, Any]
Night = tuple[Manifest, Output]
"""A release and the features that it was made of."""


def explain_shift(workspace: Workspace, job: Job, partition: str, against: str | None = None) -> Moved:
    """Take the difference between the mean score of a night and that of other nights apart, feature by feature.

    Args:
        against: the partition to compare with; None for the newest nights of the same weekday, as many as the job's
            ``monitoring.weekdays``, on which no signal of inputs or outputs was beyond its limit.

    Returns:
        What is then written among the monitoring records.

    Raises:
        NotReadyError: one of the nights was never released, its features are gone, or there is none to compare with.
        RefusedError: the nights were made of different feature sets.
        DamagedError: the lake has lost something.
    """
    events = workspace.release_log(job).events()
    manifest, features = _require_night(workspace, job, events, partition)
    others = (
        [_require_night(workspace, job, events, against)]
        if against
        else _find_ordinary(workspace, job, events, manifest)
    )
    for other, _ in others:
        _check_same_features(job, manifest, other)
    after = sample_features(workspace, job, [features], MOST_ROWS)
    before = sample_features(workspace, job, [built for _, built in others], MOST_ROWS)
    rows = min(after.num_rows, before.num_rows)
    version = workspace.ledger(job).version(manifest["model"]["version"])
    predict = partial(predict_outcomes, workspace.models(job).load(version).estimator, task=job.task)
    usual, matrix = (_take_matrix(job, keep_rows(job, side, rows), partition) for side in (before, after))
    mean_before, mean_after, contributions = explain.explain_shift(predict, usual, matrix, job.training.seed)
    moved = Moved(
        partition=partition,
        against=tuple(other["partition"] for other, _ in others),
        generation=manifest["generation"],
        model_version=version.version,
        rows=rows,
        mean_before=mean_before,
        mean_after=mean_after,
        features=tuple(explain.name_largest(contributions, list(matrix.columns))),
    )
    workspace.monitoring(job).write_moved(moved)
    return moved


def _require_night(workspace: Workspace, job: Job, events: Sequence[ReleaseEvent], partition: str) -> Night:
    """The newest release of a partition that was not made for an audit, whether or not it became live."""
    releases = [event for event in events if _is_release(event, partition)]
    if not releases:
        raise NotReadyError(
            "there is no release of this partition",
            job=job.name,
            partition=partition,
            next_step=f"nightjar run {job.name} --partition {partition}",
        )
    manifest = read_manifest(
        workspace, job, max(releases, key=lambda event: token_of(event.generation) or 0).generation
    )
    try:
        return manifest, workspace.outputs(job).load(BUILD_STAGE, manifest["features"]["address"])
    except FileNotFoundError as error:
        raise NotReadyError(
            "the features of this partition are not in the lake any more",
            job=job.name,
            partition=partition,
            expected=f"features as generation {manifest['generation']} was made of",
            found="none; retention keeps those of the newest nights",
            next_step=f"build them again: nightjar run {job.name} --partition {partition}",
        ) from error


def _is_release(event: ReleaseEvent, partition: str) -> bool:
    return event.partition == partition and event.header is not None and event.header["basis"] == AS_CORRECTED


def _find_ordinary(workspace: Workspace, job: Job, events: Sequence[ReleaseEvent], manifest: Manifest) -> list[Night]:
    """The newest nights of the same weekday on which nothing was unusual, made of the same features; oldest first."""
    night = date.fromisoformat(manifest["partition"])
    first, last = (night - timedelta(days=age) for age in (job.monitoring.history, 1))
    found: list[Night] = []
    for observed in reversed(workspace.monitoring(job).observed(first.isoformat(), last.isoformat())):
        is_unusual = any(signal.breached and signal.monitor in _COMPARED for signal in observed.signals)
        if is_unusual or date.fromisoformat(observed.partition).weekday() != night.weekday():
            continue
        try:
            other = _require_night(workspace, job, events, observed.partition)
        except NotReadyError:
            continue  # retention took its features
        if other[0]["feature_set"]["digest"] == manifest["feature_set"]["digest"]:
            found.append(other)
        if len(found) == job.monitoring.weekdays:
            break
    if not found:
        raise NotReadyError(
            "there is no ordinary night to compare this one with",
            job=job.name,
            partition=manifest["partition"],
            expected=f"a watched night of the same weekday since {first}, with no signal of inputs or outputs beyond "
            "its limit",
            found="none",
            next_step=f"name one: nightjar moved {job.name} {manifest['partition']} --against YYYY-MM-DD",
        )
    return found[::-1]


def _check_same_features(job: Job, night: Manifest, other: Manifest) -> None:
    if night["feature_set"]["digest"] != other["feature_set"]["digest"]:
        raise RefusedError(
            "these nights were made of different feature sets",
            job=job.name,
            partition=night["partition"],
            expected=f"feature set {night['feature_set']['digest']}",
            found=f"feature set {other['feature_set']['digest']} on {other['partition']}",
            next_step="compare nights of one feature set",
        )


def _take_matrix(job: Job, rows: pa.Table, partition: str) -> pd.DataFrame:
    return take_matrix(drop_partitions(rows).to_pandas(), job, partition)
