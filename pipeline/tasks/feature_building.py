"""Build the features of a partition: what they are made from, the tiles behind them, and the stage itself.

Nightly scoring and training both come through :func:`build_partition`, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from features.build import build_features
from features.declarations import Aggregate, FeatureSet
from pipeline.digests import digest_code
from pipeline.errors import NightjarError, NotReadyError
from pipeline.job import Job, Source
from pipeline.stages.matrix import take_matrix
from pipeline.stores.acceptances import Acceptance
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.accepting import Validated, validate_source
from pipeline.tasks.aggregates import TILE_CODE, Alike, list_partitioned, list_whole
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.partitioned_tiles import partition_tiles
from pipeline.tasks.partitions import find_delivery, trailing_days
from pipeline.tasks.per_process import PerProcess
from pipeline.tasks.rolled_windows import Totals, read_totals, read_windows, roll_partitioned
from pipeline.tasks.tiling import computing, make_missing_tiles, read_rows, read_shard, sum_aggregate
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace, environment_of

STAGE = "build_features"
ROLE = "features"

_CODE = (
    *TILE_CODE,
    "features.build",
    "features.matching",
    "pipeline.stages.partitioning",
    "pipeline.tasks.aggregates",
    "pipeline.tasks.partitioned_tiles",
    "pipeline.tasks.rolled_windows",
    "pipeline.tasks.tiling",
)


@dataclass(frozen=True)
class FeatureInputs:
    """What the features of a partition are made from: outputs of validation.

    Attributes:
        dimensions: by source.
        trailing: by source, the partition's own first, then the days before; None for one that was never delivered
            and that a person accepted as missing.
        acceptances: what people answer for among these deliveries.
    """

    partition: str
    population: Output
    dimensions: Mapping[str, Output]
    trailing: Mapping[str, list[Output | None]]
    acceptances: tuple[Acceptance, ...] = ()


def history_of(job: Job, feature_set: FeatureSet, partition: str) -> list[tuple[str, str]]:
    """(source, partition) of every earlier delivery that the trailing windows reach."""
    return [
        (source.name, day)
        for source in job.sources
        for day in trailing_days(job, partition, feature_set.longest_window(source.name))[1:]
    ]


def collect_inputs(
    workspace: Workspace, job: Job, feature_set: FeatureSet, partition: str, own: Mapping[str, Validated]
) -> FeatureInputs:
    """The validated deliveries behind a partition's features.

    Args:
        own: the partition's own validated sources.

    Raises:
        NightjarError: an earlier delivery that a window needs is missing or was refused; the message names it.
    """
    trailing: dict[str, list[Output | None]] = {}
    acceptances = [own[source.name].acceptance for source in job.sources]
    for source in job.sources:
        length = feature_set.longest_window(source.name)
        if not length:
            continue
        trailing[source.name] = [own[source.name].rows]
        for day in trailing_days(job, partition, length)[1:]:
            try:
                rows, acceptance = _take_trailing(workspace, job, source, day)
            except NightjarError as error:
                raise _needed_by(error, job, source.name, day, length, partition) from error
            trailing[source.name].append(rows)
            acceptances.append(acceptance)
    return FeatureInputs(
        partition=partition,
        population=own[job.population.name].rows,
        dimensions={lookup.source: own[lookup.source].rows for lookup in feature_set.lookups},
        trailing=trailing,
        acceptances=tuple(acceptance for acceptance in acceptances if acceptance is not None),
    )


def _take_trailing(workspace: Workspace, job: Job, source: Source, day: str) -> tuple[Output | None, Acceptance | None]:
    """An earlier delivery, or nothing where a person accepted that there is none; and who answers for it."""
    if find_delivery(workspace, source, day) is None:
        missing = workspace.acceptances(job).find(source.name, day, None)
        if missing is not None:
            return None, missing
    validated = validate_source(workspace, job, source, day)
    return validated.rows, validated.acceptance


def build_partition(
    workspace: Workspace, job: Job, feature_set: FeatureSet, inputs_of: FeatureInputs, *, force: bool = False
) -> Output:
    """The features of every valid entity of a partition, shard by shard.

    Raises:
        BadInputError: a feature is infinite, or cannot be computed from the rows.
    """
    inputs = {
        "partition": inputs_of.partition,
        "population": inputs_of.population.digest,
        "dimensions": {name: output.digest for name, output in inputs_of.dimensions.items()},
        "trailing": {name: [output and output.digest for output in days] for name, days in inputs_of.trailing.items()},
        "feature_set": feature_set.digest,
        "code": digest_code(*_CODE, __name__),
        "environment": environment_of(),
    }
    outputs = workspace.outputs(job)
    if not force and (found := outputs.find(STAGE, inputs)) is not None:
        return found
    windows = _roll_windows(workspace, job, feature_set, inputs_of, force=force)
    work = partial(
        _build_shard,
        job=job,
        population=inputs_of.population,
        inputs=inputs,
        partitioned=windows,
        shared=PerProcess(partial(_gather_shared, job=job, inputs_of=inputs_of)),
    )
    shards = list(enumerate(inputs_of.population.shards(VALID)))
    built = run_shards(workspace, work, shards, rows=inputs_of.population.rows[VALID])
    files = {shard_label(ROLE, number): file for number, file in enumerate(built)}
    facts = {"rows": sum(file.rows for file in files.values()), "columns": len(feature_set.columns)}
    return outputs.commit(STAGE, inputs, files, facts)


def read_features(workspace: Workspace, job: Job, output: Output, label: str) -> pd.DataFrame:
    """One shard of a partition's features: the entity id as string, then the feature columns."""
    features: pd.DataFrame = workspace.outputs(job).read(output, label).to_pandas()
    return features


def _roll_windows(
    workspace: Workspace, job: Job, feature_set: FeatureSet, inputs_of: FeatureInputs, *, force: bool
) -> dict[Alike, Output]:
    """The windows of aggregates by the entity; of the others, no more than the tiles, which every process adds up."""
    deliveries = {name: [rows for rows in days if rows is not None] for name, days in inputs_of.trailing.items()}
    for days in deliveries.values():
        for rows in days:
            make_missing_tiles(workspace, job, feature_set, rows, force=force)
            if force:
                partition_tiles(workspace, job, feature_set, rows, force=True)
    partition, trailing = inputs_of.partition, inputs_of.trailing
    return {
        alike: roll_partitioned(workspace, job, feature_set, alike, partition, trailing[alike[0].source], force=force)
        for alike in list_partitioned(job, feature_set)
    }


@dataclass(frozen=True)
class _Shared:
    """What the features of every shard are made from beside its own rows."""

    feature_set: FeatureSet
    dimensions: Mapping[str, pd.DataFrame]
    windows: Mapping[Aggregate, pd.DataFrame]


def _gather_shared(workspace: Workspace, *, job: Job, inputs_of: FeatureInputs) -> _Shared:
    feature_set = load_feature_set(job)
    return _Shared(
        feature_set,
        {name: read_rows(workspace, job, name, output) for name, output in inputs_of.dimensions.items()},
        {
            aggregate: sum_aggregate(workspace, job, feature_set, aggregate, inputs_of.trailing[aggregate.source])
            for aggregate in list_whole(job, feature_set)
        },
    )


def _build_shard(
    workspace: Workspace,
    shard: tuple[int, str],
    *,
    job: Job,
    population: Output,
    inputs: Mapping[str, Any],
    partitioned: Mapping[Alike, Output],
    shared: PerProcess[_Shared],
) -> OutputFile:
    number, label = shard
    others = shared(workspace)
    rows = read_shard(workspace, job, job.population.name, population, label)
    own: dict[Aggregate, pd.DataFrame] = {}
    totals: dict[Aggregate, Totals] = {}
    for alike, output in partitioned.items():
        own |= read_windows(workspace, job, others.feature_set, alike, output, number)
        totals |= zip(alike, read_totals(output), strict=True)
    with computing(job, job.population.name):
        features = build_features(
            rows,
            others.feature_set,
            entity_id=job.entity_id,
            dimensions=others.dimensions,
            windows={**others.windows, **own},
            totals=totals,
        )
    take_matrix(features, job, inputs["partition"])
    table = pa.Table.from_pandas(
        features.astype({job.entity_id: "str"}), schema=_feature_schema(job, others.feature_set), preserve_index=False
    )
    return workspace.outputs(job).write(STAGE, inputs, shard_label(ROLE, number), table)


def _feature_schema(job: Job, feature_set: FeatureSet) -> pa.Schema:
    kinds = {"number": pa.float64(), "category": pa.string()}
    columns = [pa.field(feature.name, kinds[feature.kind]) for feature in feature_set.columns]
    return pa.schema([pa.field(job.entity_id, pa.string()), *columns])


def _needed_by(error: NightjarError, job: Job, source: str, day: str, length: int, partition: str) -> NightjarError:
    parts: dict[str, Any] = error.to_json()
    kind, problem = type(error), parts.pop("problem")
    del parts["error"]
    if isinstance(error, NotReadyError):
        parts["next_step"] += (
            f"; or answer for its absence: nightjar accept {job.name} {source} --partition {day} --missing "
            "--who NAME --why TEXT"
        )
    return kind(
        f"{problem} (the features of {partition} need {source} of {day}: their windows reach {length} partitions back)",
        **parts,
    )
