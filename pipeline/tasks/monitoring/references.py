"""References: what a model was trained on, counted over bins that are learnt from it.

They are written by the digest of the model, once, and nothing changes them.  They hold counts and the names of frequent
categories, no rows and no ids, so an erasure leaves them as they are.
"""

from __future__ import annotations

import logging

import pandas as pd

from pipeline.errors import DamagedError, NightjarError, NotReadyError
from pipeline.job import Job
from pipeline.monitoring import Profile
from pipeline.stages.matrix import take_matrix
from pipeline.stages.monitor.bins import count_frame, describe_counts, learn_bins, list_numbers
from pipeline.stages.profile import profile_frame
from pipeline.stages.sample import choose_rows
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import read_features
from pipeline.tasks.snapshots import SNAPSHOT_STAGE, Dataset, sample_training
from pipeline.tasks.workspace import Workspace

TRAINING = "training"
"""What an ordinary reference is made from; another one names the partition whose features stand in."""

_MOST_ROWS = 200_000

_LOG = logging.getLogger(__name__)


def ensure_reference(workspace: Workspace, job: Job, version: ModelVersion) -> Profile:
    """The reference of a model, made from the rows that it was trained on if there is none yet.

    Raises:
        NotReadyError: there is none, and the lake no longer has those rows as they were.
        NightjarError: they cannot be had now; that is no reason to let others stand in for them for good.
    """
    digest = version.registration.model_digest
    found = workspace.monitoring(job).find_reference(digest)
    if found is not None:
        return found
    try:
        dataset = _find_dataset(workspace, job, version)
        return _write(workspace, job, digest, sample_training(workspace, job, dataset, _MOST_ROWS), TRAINING)
    except (NotReadyError, DamagedError, FileNotFoundError) as error:
        raise NotReadyError(
            f"it is not known any more what model {version.version} was trained on",
            job=job.name,
            expected=f"the rows of dataset {version.registration.dataset_version[:12]} in the lake",
            found=error.problem if isinstance(error, NightjarError) else "none",
            next_step=f"nightjar train {job.name}",
        ) from error


def write_reference(workspace: Workspace, job: Job, model_digest: str, rows: Dataset) -> None:
    """Make the reference of a model from what it was fitted to: from 200,000 rows at the most.

    Whatever goes wrong is a warning, since the model is none the worse, and :func:`ensure_reference` makes it later.
    """
    try:
        with conceal_rows(job.name, str(rows.partitions.max())):
            chosen = choose_rows(rows.features[job.entity_id], rows.partitions, _MOST_ROWS)
            _write(workspace, job, model_digest, rows.features.iloc[chosen], TRAINING)
    except (NightjarError, OSError) as error:
        told = error if isinstance(error, NightjarError) else type(error).__name__
        _LOG.warning("the reference of model %s of %s is to be made later: %s", model_digest[:12], job.name, told)


def draft_stand_in(workspace: Workspace, job: Job, features: Output) -> Profile:
    """A night's own features in place of the reference of a model whose training rows are gone; nothing is written."""
    partition, labels = str(features.inputs["partition"]), features.shards(FEATURES)
    sampled = []
    for label in labels:
        frame = read_features(workspace, job, features, label)
        days = pd.Series(partition, index=frame.index, dtype="str")
        sampled.append(frame.iloc[choose_rows(frame[job.entity_id], days, _MOST_ROWS // len(labels))])
    return _draft(job, pd.concat(sampled, ignore_index=True), partition)


def stand_in(workspace: Workspace, job: Job, version: ModelVersion, features: Output) -> Profile:
    """Take what :func:`draft_stand_in` makes of a released night for the reference of its model from now on."""
    drafted = draft_stand_in(workspace, job, features)
    return _put(workspace, job, version.registration.model_digest, drafted)


def _write(workspace: Workspace, job: Job, model_digest: str, features: pd.DataFrame, made_from: str) -> Profile:
    return _put(workspace, job, model_digest, _draft(job, features, made_from))


def _draft(job: Job, features: pd.DataFrame, made_from: str) -> Profile:
    matrix = take_matrix(features, job, None)
    bins = learn_bins(matrix)
    counted = describe_counts(bins, count_frame(bins, matrix), profile_frame(matrix, list_numbers(bins)))
    return {"made_from": made_from, **counted}


def _put(workspace: Workspace, job: Job, model_digest: str, drafted: Profile) -> Profile:
    """Write a reference; returns the one that is there, which another run may have put first."""
    records = workspace.monitoring(job)
    records.write_reference(model_digest, drafted)
    return records.find_reference(model_digest) or drafted


def _find_dataset(workspace: Workspace, job: Job, version: ModelVersion) -> Output:
    wanted = version.registration.dataset_version
    for dataset in workspace.outputs(job).find_all(SNAPSHOT_STAGE):
        if dataset.digest == wanted:
            return dataset
    raise FileNotFoundError(f"dataset {wanted}")
