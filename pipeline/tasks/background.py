"""The background of a model: some of the rows that it was trained on, which its predictions are explained against."""

from __future__ import annotations

import numpy as np

from pipeline.digests import digest_code
from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.stages.explain import MOST_BACKGROUND
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output, shard_label
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_sampling import drop_partitions, sample_features
from pipeline.tasks.snapshots import SNAPSHOT_STAGE
from pipeline.tasks.workspace import Workspace, environment_of

BACKGROUND_STAGE = "background"
BACKGROUND = "background"
_PARTITIONS = 50
"""Partitions that it is taken from, spread evenly: reading a year of features would take longer than a night."""


def take_background(workspace: Workspace, job: Job, version: ModelVersion) -> Output:
    """At most 100 rows of the partitions that a model was trained on: entity ids and feature columns.

    Raises:
        NotReadyError: the lake has no snapshot that the model was trained on.
        DamagedError, FileNotFoundError: the lake has lost features of those partitions.
    """
    inputs = {
        "dataset_version": version.registration.dataset_version,
        "rows": MOST_BACKGROUND,
        "partitions": _PARTITIONS,
        "code": digest_code("pipeline.stages.sample", "pipeline.tasks.feature_sampling", __name__),
        "environment": environment_of(),
    }
    outputs = workspace.outputs(job)
    if (found := outputs.find(BACKGROUND_STAGE, inputs)) is not None:
        return found
    entries = _find_snapshot(workspace, job, version).inputs["train"]
    spread = np.linspace(0, len(entries) - 1, min(_PARTITIONS, len(entries))).astype(int)
    built = (outputs.load(BUILD_STAGE, entries[number]["features"]) for number in spread)
    rows = drop_partitions(sample_features(workspace, job, built, MOST_BACKGROUND))
    label = shard_label(BACKGROUND, 0)
    file = outputs.write(BACKGROUND_STAGE, inputs, label, rows)
    return outputs.commit(BACKGROUND_STAGE, inputs, {label: file}, {"rows": file.rows})


def _find_snapshot(workspace: Workspace, job: Job, version: ModelVersion) -> Output:
    wanted = version.registration.dataset_version
    for snapshot in workspace.outputs(job).find_all(SNAPSHOT_STAGE):
        if snapshot.digest == wanted:
            return snapshot
    raise NotReadyError(
        f"the lake does not have the snapshot that model {version.version} was trained on",
        job=job.name,
        expected=f"dataset version {wanted}",
        found="none with that digest",
        next_step=f"train on the same data again: nightjar train {job.name} "
        f"--partition {version.registration.partition}",
    )
