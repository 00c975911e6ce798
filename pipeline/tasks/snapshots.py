"""Snapshots: the dataset version that a model is trained on.

A snapshot lists, for every partition that can be trained on, the features and the label deliveries by digest, as they
were known when ``partition`` closed.  Nights need not have run: what is missing is made, over all processes.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from features.declarations import FeatureSet
from pipeline.digests import digest_code
from pipeline.errors import BadInputError, DeclarationError, NotReadyError
from pipeline.job import Job, Role
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.accepting import validate_source
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_building import build_partition, collect_inputs, load_feature_set, read_features
from pipeline.tasks.history import prepare_history
from pipeline.tasks.labelling import LABEL, find_label_sources, read_labels
from pipeline.tasks.parallel import run_parallel
from pipeline.tasks.partitions import trailing_days
from pipeline.tasks.tiling import read_rows
from pipeline.tasks.validating import STAGE as VALIDATE_STAGE
from pipeline.tasks.workspace import Workspace

SNAPSHOT_STAGE = "snapshot"

Dataset = tuple[pd.DataFrame, pd.Series]
"""Features (entity id and feature columns) and the labels of the same rows."""


def take_snapshot(workspace: Workspace, job: Job, partition: str) -> Output:
    """The dataset as it was known when ``partition`` closed.

    Returns:
        An output whose inputs hold ``train`` and ``holdout`` (lists of partition, address and digest of its features,
        addresses of its label sources) and ``left_out`` (partitions that could not be used, and why).  Its digest is
        the dataset version.

    Raises:
        NotReadyError: fewer partitions than the job's minimum can be trained on.
    """
    feature_set = load_feature_set(job)
    days = _closed_days(job, partition)
    _prepare(workspace, job, feature_set, days, partition)
    entries = run_parallel(workspace.settings, partial(_describe_days, workspace, job, partition), days)
    usable = [entry for entry in entries if "problem" not in entry]
    left_out = {entry["partition"]: entry["problem"] for entry in entries if "problem" in entry}
    train, holdout = usable[: -job.training.holdout], usable[-job.training.holdout :]
    if len(train) < job.training.minimum:
        raise NotReadyError(
            "there is too little history to train on",
            job=job.name,
            partition=partition,
            expected=f"{job.training.minimum} partitions beside the {job.training.holdout} of the holdout, "
            f"each with labels that closed by {partition}",
            found=f"{len(usable)} usable ones from {days[0] if days else 'none'}"
            + "".join(f"; {day}: {problem}" for day, problem in list(left_out.items())[:3]),
            next_step="land more history, lower training.minimum, or train for a later partition",
        )
    inputs = {
        "known_by": partition,
        "feature_set": feature_set.digest,
        "label": job.label.model_dump(),
        "label_code": digest_code("pipeline.tasks.labelling"),
        "train": train,
        "holdout": holdout,
        "left_out": left_out,
    }
    return workspace.outputs(job).commit(SNAPSHOT_STAGE, inputs, {}, {})


def load_dataset(workspace: Workspace, job: Job, snapshot: Output, part: str) -> Dataset:
    """The rows of ``part`` (``train`` or ``holdout``) whose outcome is known, in the order of partitions.

    Raises:
        NotReadyError: there are none.
    """
    feature_set = load_feature_set(job)
    outputs = workspace.outputs(job)
    frames = []
    for entry in snapshot.inputs[part]:
        built = outputs.load(BUILD_STAGE, entry["features"])
        rows = pd.concat(
            [read_features(workspace, job, built, label) for label in built.shards(FEATURES)], ignore_index=True
        )
        sources = [outputs.load(VALIDATE_STAGE, address) for address in entry["labels"]]
        labels = read_labels(workspace, job, feature_set, sources)
        frames.append(rows.merge(labels, on=job.entity_id, how="inner", validate="one_to_one"))
    if not any(len(frame) for frame in frames):
        raise NotReadyError(
            f"no outcome is known for any row of the {part}",
            job=job.name,
            partition=snapshot.inputs["known_by"],
            expected=f"labels from {job.label.source}, matched by {job.entity_id}",
            found=f"{len(frames)} partitions without any",
            next_step="look whether the label's source has the ids of the population",
        )
    dataset = pd.concat(frames, ignore_index=True)
    if job.label.closes_after > 1 and dataset[job.entity_id].duplicated().any():
        raise DeclarationError(
            "entities come back on later days, so an outcome could be that of a later partition",
            job=job.name,
            expected="ids that belong to one partition, or label.closes_after = 1",
            found=f"{int(dataset[job.entity_id].duplicated().sum())} rows with an id of an earlier partition",
            next_step="put the day into the id, or let the label close after one day",
        )
    return dataset.drop(columns=LABEL), dataset[LABEL]


def load_outcomes(
    workspace: Workspace, job: Job, snapshot: Output, part: str, segment: str | None
) -> tuple[pd.Series, pd.Series | None]:
    """Labels of the rows of ``part`` whose outcome is known, and what a column of the population holds for them."""
    feature_set = load_feature_set(job)
    outputs = workspace.outputs(job)
    columns = [job.entity_id, *([] if segment in (None, job.entity_id) else [segment])]
    frames = []
    for entry in snapshot.inputs[part]:
        population = outputs.load(VALIDATE_STAGE, entry["population"])
        rows = read_rows(workspace, job, job.population.name, population)[columns]
        sources = [outputs.load(VALIDATE_STAGE, address) for address in entry["labels"]]
        labels = read_labels(workspace, job, feature_set, sources)
        ids = pa.array(rows[job.entity_id]).cast(pa.string()).to_pandas().astype("str")
        frames.append(rows.assign(**{LABEL: ids.map(labels.set_index(job.entity_id)[LABEL])}))
    outcomes = pd.concat(frames, ignore_index=True).dropna(subset=[LABEL])
    return outcomes[LABEL], None if segment is None else outcomes[segment]


def _closed_days(job: Job, partition: str) -> list[str]:
    """Partitions whose labels have closed by ``partition``, oldest first, as many as training and holdout take."""
    newest = date.fromisoformat(partition) - timedelta(days=job.label.closes_after)
    return trailing_days(job, newest.isoformat(), job.training.window + job.training.holdout)[::-1]


def _prepare(workspace: Workspace, job: Job, feature_set: FeatureSet, days: list[str], partition: str) -> None:
    if not days:
        return
    reach = max((feature_set.longest_window(source.name) for source in job.sources), default=1)
    span = (date.fromisoformat(partition) - date.fromisoformat(days[0])).days + max(reach, 1)
    wanted = [
        (source.name, day)
        for source in job.sources
        if source.role is not Role.DIMENSION
        for day in trailing_days(job, partition, span)[::-1]
    ]
    prepare_history(workspace, job, wanted)


def _describe_days(workspace: Workspace, job: Job, known_by: str, days: list[str]) -> list[dict[str, Any]]:
    return [_describe_day(workspace, job, known_by, day) for day in days]


def _describe_day(workspace: Workspace, job: Job, known_by: str, day: str) -> dict[str, Any]:
    """Features and label sources of one partition; or the problem, where it cannot be trained on."""
    feature_set = load_feature_set(job)
    try:
        own = {source.name: validate_source(workspace, job, source, day) for source in job.sources}
        inputs_of = collect_inputs(workspace, job, feature_set, day, own)
        built = build_partition(workspace, job, feature_set, inputs_of)
        labels = find_label_sources(workspace, job, day, known_by)
    except (BadInputError, NotReadyError) as error:
        return {"partition": day, "problem": f"{error.problem}, found: {error.found}"}
    return {
        "partition": day,
        "population": own[job.population.name].rows.address,
        "features": built.address,
        "features_digest": built.digest,
        "labels": [rows.address for rows in labels],
        "labels_digests": [rows.digest for rows in labels],
    }
