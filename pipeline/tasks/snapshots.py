"""Snapshots: the dataset version that a model is trained on.

A snapshot lists, for every partition that can be trained on, the features and the label deliveries by digest, as they
were known when ``partition`` closed.  Nights need not have run: what is missing is made, over all processes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.declarations import FeatureSet
from pipeline.digests import digest_code
from pipeline.errors import BadInputError, DeclarationError, NotReadyError
from pipeline.job import Job, Role
from pipeline.stages.sample import choose_rows
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.accepting import validate_source
from pipeline.tasks.feature_building import ROLE as FEATURES
from pipeline.tasks.feature_building import STAGE as BUILD_STAGE
from pipeline.tasks.feature_building import build_partition, collect_inputs, read_features
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.history import prepare_history
from pipeline.tasks.labelling import LABEL, find_label_sources, recall_labels
from pipeline.tasks.parallel import run_parallel
from pipeline.tasks.partitions import trailing_days
from pipeline.tasks.tiling import read_rows
from pipeline.tasks.validating import STAGE as VALIDATE_STAGE
from pipeline.tasks.workspace import Workspace

SNAPSHOT_STAGE = "snapshot"

_PARTITION = "__partition"
_SEGMENT = "__segment_"


@dataclass(frozen=True)
class Dataset:
    """Rows whose outcome is known, in the order of partitions.

    Attributes:
        features: entity id and feature columns.
        labels, partitions: of the same rows.
        segments: of the same rows, the columns of the population that were asked for.
    """

    features: pd.DataFrame
    labels: pd.Series
    partitions: pd.Series
    segments: pd.DataFrame

    def after(self, partition: str) -> Dataset:
        """The rows of later partitions alone."""
        rows = np.flatnonzero(self.partitions > partition)
        return Dataset(
            self.features.iloc[rows].reset_index(drop=True),
            self.labels.iloc[rows].reset_index(drop=True),
            self.partitions.iloc[rows].reset_index(drop=True),
            self.segments.iloc[rows].reset_index(drop=True),
        )


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
    if workspace.branch is None:  # a replay has prepared all its days
        _prepare(workspace, job, feature_set, days, partition)
    entries = run_parallel(workspace, partial(_describe_days, job=job, known_by=partition), days)
    usable = [entry for entry in entries if "problem" not in entry]
    left_out = {entry["partition"]: entry["problem"] for entry in entries if "problem" in entry}
    train, holdout = _divide(usable, job)
    if len(train) < job.training.minimum:
        raise NotReadyError(
            "there is too little history to train on",
            job=job.name,
            partition=partition,
            expected=f"{job.training.minimum} partitions before the {job.training.holdout} of the holdout and the "
            f"{job.gap} that are left out between, "
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
        "max_rows": job.training.max_rows,
        "train": train,
        "holdout": holdout,
        "left_out": left_out,
    }
    return workspace.outputs(job).commit(SNAPSHOT_STAGE, inputs, {}, {})


def load_dataset(
    workspace: Workspace, job: Job, snapshot: Output, part: str, *, segments: Sequence[str] = ()
) -> Dataset:
    """The rows of ``part`` (``train`` or ``holdout``) whose outcome is known; no more than ``max_rows`` to train on.

    Raises:
        NotReadyError: there are none.
    """
    days = [_take_day(workspace, job, entry, list(segments)) for entry in snapshot.inputs[part]]
    rows = pd.concat(days, ignore_index=True) if days else pd.DataFrame()
    if rows.empty:
        raise _without_outcomes(job, snapshot, part)
    if job.label.closes_after > 1 and rows[job.entity_id].duplicated().any():
        raise DeclarationError(
            "entities come back on later days, so an outcome could be that of a later partition",
            job=job.name,
            expected="ids that belong to one partition, or label.closes_after = 1",
            found=f"{int(rows[job.entity_id].duplicated().sum())} rows with an id of an earlier partition",
            next_step="put the day into the id, or let the label close after one day",
        )
    if part == "train":
        chosen = choose_rows(rows[job.entity_id], rows[_PARTITION], snapshot.inputs["max_rows"])
        rows = rows.iloc[chosen].reset_index(drop=True)
    named = {_SEGMENT + name: name for name in segments}
    return Dataset(
        features=rows.drop(columns=[LABEL, _PARTITION, *named]),
        labels=rows[LABEL],
        partitions=rows[_PARTITION],
        segments=rows[list(named)].rename(columns=named),
    )


def sample_training(workspace: Workspace, job: Job, snapshot: Output, most: int) -> pd.DataFrame:
    """Entity ids and features of at most ``most`` of the rows to train on, holding a partition of them at a time.

    Raises:
        NotReadyError: there are none.
    """
    most = min(most, snapshot.inputs["max_rows"] or most)
    rows = pd.DataFrame()
    for entry in snapshot.inputs["train"]:
        rows = pd.concat([rows, _take_day(workspace, job, entry, [])], ignore_index=True)
        rows = rows.iloc[choose_rows(rows[job.entity_id], rows[_PARTITION], most)]
    if rows.empty:
        raise _without_outcomes(job, snapshot, "train")
    return rows.drop(columns=[LABEL, _PARTITION]).reset_index(drop=True)


def load_outcomes(
    workspace: Workspace, job: Job, snapshot: Output, part: str, segment: str | None
) -> tuple[pd.Series, pd.Series | None]:
    """Labels of the rows of ``part`` whose outcome is known, and what a column of the population holds for them."""
    columns = [job.entity_id, *([] if segment in (None, job.entity_id) else [segment])]
    frames = [
        workspace.remember(
            ("outcomes", entry["population"], *entry["labels"], *columns),
            partial(_load_outcomes, workspace, job, entry, columns),
        )
        for entry in snapshot.inputs[part]
    ]
    outcomes = pd.concat(frames, ignore_index=True).dropna(subset=[LABEL])
    return outcomes[LABEL], None if segment is None else outcomes[segment]


def _without_outcomes(job: Job, snapshot: Output, part: str) -> NotReadyError:
    return NotReadyError(
        f"no outcome is known for any row of the {part}",
        job=job.name,
        partition=snapshot.inputs["known_by"],
        expected=f"labels from {job.label.source}, matched by {job.entity_id}",
        found=f"{len(snapshot.inputs[part])} partitions without any",
        next_step="look whether the label's source has the ids of the population",
    )


def _load_outcomes(workspace: Workspace, job: Job, entry: Mapping[str, Any], columns: list[str]) -> pd.DataFrame:
    """Columns of one partition's population, and the labels as far as they are known."""
    outputs = workspace.outputs(job)
    population = outputs.load(VALIDATE_STAGE, entry["population"])
    rows = read_rows(workspace, job, job.population.name, population, columns)
    labels = recall_labels(workspace, job, entry["labels"])
    ids = _as_text(rows[job.entity_id])
    return rows.assign(**{LABEL: ids.map(labels.set_index(job.entity_id)[LABEL])})


def _take_day(workspace: Workspace, job: Job, entry: Mapping[str, Any], segments: list[str]) -> pd.DataFrame:
    name = ("day", entry["partition"], entry["features"], *entry["labels"], *segments)
    return workspace.remember(name, partial(_load_day, workspace, job, entry, segments))


def _load_day(workspace: Workspace, job: Job, entry: Mapping[str, Any], segments: list[str]) -> pd.DataFrame:
    """Features, label, partition and segments of one partition's rows."""
    outputs = workspace.outputs(job)
    built = outputs.load(BUILD_STAGE, entry["features"])
    rows = pd.concat(
        [read_features(workspace, job, built, label) for label in built.shards(FEATURES)], ignore_index=True
    )
    labels = recall_labels(workspace, job, entry["labels"])
    rows = rows.merge(labels, on=job.entity_id, how="inner", validate="one_to_one")
    rows[_PARTITION] = entry["partition"]
    if not segments:
        return rows
    validated = outputs.load(VALIDATE_STAGE, entry["population"])
    population = read_rows(workspace, job, job.population.name, validated, [job.entity_id, *segments])
    values = population[segments].add_prefix(_SEGMENT)
    values[job.entity_id] = _as_text(population[job.entity_id])
    return rows.merge(values, on=job.entity_id, how="left", validate="one_to_one")


def _as_text(ids: pd.Series) -> pd.Series:
    """Entity ids as features have them."""
    text: pd.Series = pa.array(ids).cast(pa.string()).to_pandas().astype("str")
    return text


def _closed_days(job: Job, partition: str) -> list[str]:
    """Partitions whose labels have closed by ``partition``, oldest first: as many as training, gap and holdout take."""
    newest = date.fromisoformat(partition) - timedelta(days=job.label.closes_after)
    length = job.training.window + job.gap + job.training.holdout
    return trailing_days(job, newest.isoformat(), length)[::-1]


def _divide(usable: list[dict[str, Any]], job: Job) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is trained on, and the holdout.

    On the holdout's first night, a model could have known no labels of the partitions of the gap.
    """
    holdout = usable[-job.training.holdout :]
    if not holdout:
        return [], []
    newest = (date.fromisoformat(holdout[0]["partition"]) - timedelta(days=job.gap)).isoformat()
    return [entry for entry in usable if entry["partition"] < newest][-job.training.window :], holdout


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


def _describe_days(workspace: Workspace, days: list[str], *, job: Job, known_by: str) -> list[dict[str, Any]]:
    return [describe_day(workspace, job, known_by, day) for day in days]


def describe_day(workspace: Workspace, job: Job, known_by: str, day: str) -> dict[str, Any]:
    """Addresses and digests of a partition's features and label sources.

    If either cannot be had, ``problem`` says why, and features are there without labels.
    """
    closed = (date.fromisoformat(day) + timedelta(days=job.label.closes_after)).isoformat()
    known_by = min(known_by, closed)
    return workspace.remember(name_described(job, known_by, day), partial(_describe_day, workspace, job, known_by, day))


def name_described(job: Job, known_by: str, day: str) -> Hashable:
    """Under what a replay remembers a partition."""
    return "described", job.name, known_by, day


def _describe_day(workspace: Workspace, job: Job, known_by: str, day: str) -> dict[str, Any]:
    feature_set = load_feature_set(job)
    described: dict[str, Any] = {"partition": day}
    try:
        own = {source.name: validate_source(workspace, job, source, day) for source in job.sources}
        inputs_of = collect_inputs(workspace, job, feature_set, day, own)
        built = build_partition(workspace, job, feature_set, inputs_of)
        described |= {
            "population": own[job.population.name].rows.address,
            "features": built.address,
            "features_digest": built.digest,
        }
        labels = find_label_sources(workspace, job, day, known_by)
    except (BadInputError, NotReadyError) as error:
        return described | {"problem": f"{error.problem}, found: {error.found}"}
    return described | {
        "labels": [rows.address for rows in labels],
        "labels_digests": [rows.digest for rows in labels],
    }
