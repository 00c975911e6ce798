"""Build the features of a partition: what they are made from, the tiles behind them, and the stage itself.

Nightly scoring and training both come through :func:`build_partition`, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from features.build import build_features
from features.declarations import Aggregate, FeatureSet
from features.tiles import make_tile, merge_tiles, sum_windows
from pipeline.contracts import POSITION, load_contract
from pipeline.digests import digest_all, digest_code, digest_json
from pipeline.errors import BadInputError, DeclarationError, NightjarError
from pipeline.job import Job, Role, import_attribute
from pipeline.stages.matrix import take_matrix
from pipeline.stages.validate import frame_from_arrow
from pipeline.stores.stage_outputs import Output, shard_label
from pipeline.tasks.accepting import Validated, validate_source
from pipeline.tasks.partitions import trailing_days
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace, environment_of

STAGE = "build_features"
ROLE = "features"
TILE_CODE = ("features.tiles", "features.rows")


@dataclass(frozen=True)
class FeatureInputs:
    """What the features of a partition are made from: outputs of validation.

    Attributes:
        dimensions: by source.
        trailing: by source, the partition's own first, then the days before.
    """

    partition: str
    population: Output
    dimensions: Mapping[str, Output]
    trailing: Mapping[str, list[Output]]


def load_feature_set(job: Job) -> FeatureSet:
    """Import the job's feature set and check that it fits the job.

    Raises:
        DeclarationError: it is no feature set, or names a source that the job does not have in that role.
    """
    feature_set = import_attribute(job.feature_set)
    if not isinstance(feature_set, FeatureSet):
        raise DeclarationError(f"{job.feature_set} is a {type(feature_set).__name__}, not a FeatureSet", job=job.name)
    try:
        feature_set.check_definitions()
    except ValueError as error:
        raise DeclarationError(
            f"the feature set {feature_set.name} cannot be told apart from others",
            job=job.name,
            expected="row functions whose whole meaning can be digested",
            found=str(error),
            next_step="change what it names; docs/jobs.md says what row functions may use",
        ) from error
    for lookup in feature_set.lookups:
        if job.source(lookup.source).role is not Role.DIMENSION:
            raise DeclarationError(
                f"the feature set looks {lookup.source} up, which is not a dimension",
                job=job.name,
                next_step="correct the role of the source, or use a trailing feature",
            )
    for aggregate in feature_set.aggregates:
        if job.source(aggregate.source).role is Role.DIMENSION:
            raise DeclarationError(
                f"the feature set aggregates {aggregate.source}, which is a dimension and has no partitions of its own",
                job=job.name,
                next_step="correct the role of the source, or use a lookup",
            )
    _check_columns(job, feature_set)
    return feature_set


def _check_columns(job: Job, feature_set: FeatureSet) -> None:
    """Refuse a feature set that names columns which the contracts of its sources do not have."""
    columns = {source.name: set(load_contract(source).columns) for source in job.sources}
    for lookup in feature_set.lookups:
        _refuse_missing(job, lookup.source, sorted({*lookup.key, *lookup.columns} - columns[lookup.source]))
        columns[job.population.name] |= set(lookup.columns)
    keys = [key for item in feature_set.trailing for key in item.keys]
    needed = [*(feature.name for feature in feature_set.features), *keys]
    needed += [key for lookup in feature_set.lookups for key in lookup.on]
    wanted = {job.population.name: needed, job.label.source: [job.entity_id, job.label.value]}
    for aggregate in feature_set.aggregates:
        names = [*aggregate.by, *([aggregate.value] if aggregate.value else [])]
        wanted[aggregate.source] = [*wanted.get(aggregate.source, []), *names]
    for source, names in wanted.items():
        _refuse_missing(job, source, feature_set.find_missing(names, columns[source]))


def _refuse_missing(job: Job, source: str, missing: list[str]) -> None:
    if missing:
        raise DeclarationError(
            f"the features or the label need columns that {source} does not have",
            job=job.name,
            expected=f"columns of the contract of {source}, or row features that can be computed from them",
            found="no " + "; no ".join(missing),
            next_step="correct the name in the feature set or in the label, or add the column to the contract",
        )


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
    trailing: dict[str, list[Output]] = {}
    for source in job.sources:
        length = feature_set.longest_window(source.name)
        if not length:
            continue
        trailing[source.name] = [own[source.name].rows]
        for day in trailing_days(job, partition, length)[1:]:
            try:
                trailing[source.name].append(validate_source(workspace, job, source, day).rows)
            except NightjarError as error:
                raise _needed_by(error, source.name, day, length, partition) from error
    return FeatureInputs(
        partition=partition,
        population=own[job.population.name].rows,
        dimensions={lookup.source: own[lookup.source].rows for lookup in feature_set.lookups},
        trailing=trailing,
    )


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
        "trailing": {name: [output.digest for output in days] for name, days in inputs_of.trailing.items()},
        "feature_set": feature_set.digest,
        "code": digest_code(*TILE_CODE, "features.build", "features.matching", __name__),
        "environment": environment_of(),
    }
    outputs = workspace.outputs(job)
    if not force and (found := outputs.find(STAGE, inputs)) is not None:
        return found
    if force:
        for days in inputs_of.trailing.values():
            for rows in days:
                _make_tiles(workspace, job, feature_set, rows)
    windows = {
        aggregate: _sum_aggregate(workspace, job, feature_set, aggregate, inputs_of.trailing[aggregate.source])
        for aggregate in feature_set.aggregates
    }
    dimensions = {name: read_rows(workspace, job, name, output) for name, output in inputs_of.dimensions.items()}
    files = {}
    for shard, label in enumerate(inputs_of.population.shards(VALID)):
        population = _read_shard(workspace, job, job.population.name, inputs_of.population, label)
        features = _build_shard(job, feature_set, inputs_of.partition, population, dimensions, windows)
        name = shard_label(ROLE, shard)
        table = pa.Table.from_pandas(features, schema=_feature_schema(job, feature_set), preserve_index=False)
        files[name] = outputs.write(STAGE, inputs, name, table)
    facts = {"rows": sum(file.rows for file in files.values()), "columns": len(feature_set.columns)}
    return outputs.commit(STAGE, inputs, files, facts)


def read_features(workspace: Workspace, job: Job, output: Output, label: str) -> pd.DataFrame:
    """One shard of a partition's features: the entity id as string, then the feature columns."""
    features: pd.DataFrame = workspace.outputs(job).read(output, label).to_pandas()
    return features


def _sum_aggregate(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregate: Aggregate, days: list[Output]
) -> pd.DataFrame:
    windows = sorted(
        {window for item in feature_set.trailing if item.aggregate == aggregate for window in item.windows}
    )
    tiles = [_tile_of(workspace, job, feature_set, aggregate, rows) for rows in days[: max(windows)]]
    with _computing(job, aggregate.source):
        return sum_windows(tiles, aggregate, windows)


def _tile_of(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregate: Aggregate, rows: Output
) -> pd.DataFrame:
    """The tile of one validated delivery, made if nobody has made it yet."""
    tile = workspace.tiles.find(aggregate.name, _define(feature_set, aggregate), rows.digest)
    return _make_tiles(workspace, job, feature_set, rows)[aggregate] if tile is None else tile


def _make_tiles(workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output) -> dict[Aggregate, pd.DataFrame]:
    """All tiles of one validated delivery, whose rows are read once, shard by shard."""
    source = rows.inputs["source"]
    parts: dict[Aggregate, list[pd.DataFrame]] = {
        aggregate: [] for aggregate in feature_set.aggregates if aggregate.source == source
    }
    with _computing(job, source):
        for label in rows.shards(VALID):
            shard = _read_shard(workspace, job, source, rows, label)
            for aggregate, tiles in parts.items():
                tiles.append(make_tile(shard, feature_set, aggregate))
        merged = {aggregate: merge_tiles(tiles, aggregate) for aggregate, tiles in parts.items()}
    return {
        aggregate: workspace.tiles.put(aggregate.name, _define(feature_set, aggregate), rows.digest, tile)
        for aggregate, tile in merged.items()
    }


def _define(feature_set: FeatureSet, aggregate: Aggregate) -> str:
    """Digest of what a tile holds and how it is made."""
    return digest_all(
        [feature_set.aggregate_digests[aggregate], digest_code(*TILE_CODE), digest_json(environment_of())]
    )


def _build_shard(
    job: Job,
    feature_set: FeatureSet,
    partition: str,
    population: pd.DataFrame,
    dimensions: Mapping[str, pd.DataFrame],
    windows: Mapping[Aggregate, pd.DataFrame],
) -> pd.DataFrame:
    with _computing(job, job.population.name):
        features = build_features(
            population, feature_set, entity_id=job.entity_id, dimensions=dimensions, windows=windows
        )
    take_matrix(features, job, partition)
    return features.astype({job.entity_id: "str"})


def _read_shard(workspace: Workspace, job: Job, source: str, output: Output, label: str) -> pd.DataFrame:
    """Validated rows in the contract's dtypes."""
    contract = load_contract(job.source(source))
    frame = frame_from_arrow(workspace.outputs(job).read(output, label), contract)
    return frame.drop(columns=POSITION).astype(contract.dtypes)


def read_rows(workspace: Workspace, job: Job, source: str, output: Output) -> pd.DataFrame:
    """All valid rows of a validated delivery, in the contract's dtypes."""
    shards = [_read_shard(workspace, job, source, output, label) for label in output.shards(VALID)]
    return pd.concat(shards, ignore_index=True)


def _feature_schema(job: Job, feature_set: FeatureSet) -> pa.Schema:
    kinds = {"number": pa.float64(), "category": pa.string()}
    columns = [pa.field(feature.name, kinds[feature.kind]) for feature in feature_set.columns]
    return pa.schema([pa.field(job.entity_id, pa.string()), *columns])


def _needed_by(error: NightjarError, source: str, day: str, length: int, partition: str) -> NightjarError:
    parts: dict[str, Any] = error.to_json()
    kind, problem = type(error), parts.pop("problem")
    del parts["error"]
    return kind(
        f"{problem} (the features of {partition} need {source} of {day}: their windows reach {length} partitions back)",
        **parts,
    )


@contextmanager
def _computing(job: Job, source: str) -> Iterator[None]:
    """Turn what the feature set's functions raise about the rows of ``source`` into an error for operators."""
    try:
        yield
    except (KeyError, ValueError) as error:
        raise BadInputError(
            f"a feature cannot be computed from the rows of {source}",
            job=job.name,
            expected="the columns and values that the feature set names",
            found=str(error),
            next_step="correct the feature set, or the contract that let these rows through",
        ) from error
