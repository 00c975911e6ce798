"""Tiles of aggregates by the entity, which have as many groups as there are entities: in partitions, out of core.

    stages/<job>/tiles/<digest of inputs>/     one file a partition; partitions are the population's shards

Every shard of the rows is cut into partitions, as a file of one row group a partition that no manifest names; then
every partition is added up from those, and they are removed.  Aggregates with the same keys go through this together.
The files' names are their maker's own, so that of two that make the same tiles neither removes what the other still
reads.  What many entities share, such as a country, has few groups: its tiles are whole (:mod:`pipeline.tasks.tiling`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from features.declarations import Aggregate, FeatureSet
from features.tiles import add_up_cuts, cut_rows
from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stages.partitioning import split_groups
from pipeline.stores.parquet import encode_groups
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.aggregates import define_aggregate, list_partitioned
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.tiling import computing, read_needed
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace

STAGE = "tiles"
ROLE = "tiles"
_PART = "part"

Inputs = Mapping[str, Any]


def partition_tiles(
    workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output, *, force: bool = False
) -> dict[Aggregate, Output]:
    """The tiles of one validated delivery, of every aggregate of its source that is by the entity.

    Raises:
        BadInputError: a value cannot be kept exactly, or the rows lack a column.
    """
    outputs = workspace.outputs(job)
    source = rows.inputs["source"]
    tiles: dict[Aggregate, Output] = {}
    missing: dict[Aggregate, Inputs] = {}
    for aggregate in list_partitioned(job, feature_set):
        if aggregate.source == source:
            inputs = _list_inputs(job, feature_set, aggregate, rows)
            found = None if force else outputs.find(STAGE, inputs)
            if found is None:
                missing[aggregate] = inputs
            else:
                tiles[aggregate] = found
    for alike in _group_alike(missing, list_partitioned(job, feature_set)):
        tiles |= _make_tiles(workspace, job, feature_set, rows, alike)
    return tiles


def _group_alike(missing: Mapping[Aggregate, Inputs], keys: Mapping[Aggregate, str]) -> list[dict[Aggregate, Inputs]]:
    """Aggregates that are cut alike: with the same keys, of which the same one is the entity's id."""
    groups: dict[tuple[tuple[str, ...], str], dict[Aggregate, Inputs]] = {}
    for aggregate, inputs in missing.items():
        groups.setdefault((aggregate.by, keys[aggregate]), {})[aggregate] = inputs
    return list(groups.values())


def _make_tiles(
    workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output, wanted: Mapping[Aggregate, Inputs]
) -> dict[Aggregate, Output]:
    """The tiles of aggregates that are cut alike."""
    role = f"{_PART}-{uuid.uuid4().hex}"
    cut = partial(_cut_shard, job=job, feature_set=feature_set, rows=rows, wanted=wanted, role=role)
    parts = run_shards(workspace, cut, list(enumerate(rows.shards(VALID))), rows=rows.rows[VALID])
    merge = partial(_merge_partition, job=job, wanted=wanted, parts=parts)
    partitions = range(_take_first(wanted)["partitions"])
    merged = run_shards(workspace, merge, partitions, rows=sum(part.rows for part in parts))
    outputs = workspace.outputs(job)
    tiles = {}
    for position, (aggregate, inputs) in enumerate(wanted.items()):
        made = [of_partition[position] for of_partition in merged]
        files = {shard_label(ROLE, number): file for number, (file, _) in enumerate(made)}
        totals = [sum(column) for column in zip(*(total for _, total in made), strict=True)]
        tiles[aggregate] = outputs.commit(STAGE, inputs, files, {"count": totals[0], "sum": totals[1]})
    outputs.discard(STAGE, _take_first(wanted), parts)
    return tiles


def _take_first(wanted: Mapping[Aggregate, Inputs]) -> Inputs:
    """The inputs of the output in whose folder the parts are while tiles are made."""
    return next(iter(wanted.values()))


def _cut_shard(
    workspace: Workspace,
    shard: tuple[int, str],
    *,
    job: Job,
    feature_set: FeatureSet,
    rows: Output,
    wanted: Mapping[Aggregate, Inputs],
    role: str,
) -> OutputFile:
    """Write down by partition what one shard of the rows adds to the tiles."""
    number, label = shard
    aggregates = list(wanted)
    key = list_partitioned(job, feature_set)[aggregates[0]]
    needed = read_needed(workspace, job, feature_set, aggregates, rows, label)
    with computing(job, rows.inputs["source"]):
        cut = cut_rows(needed, feature_set, aggregates)
    inputs = _take_first(wanted)
    content = encode_groups(split_groups(cut, key, inputs["partitions"]))
    return workspace.outputs(job).write_bytes(STAGE, inputs, shard_label(role, number), content, len(cut))


def _merge_partition(
    workspace: Workspace, number: int, *, job: Job, wanted: Mapping[Aggregate, Inputs], parts: Sequence[OutputFile]
) -> list[tuple[OutputFile, tuple[int, int]]]:
    """Of every aggregate one partition of its tile, and its count and sum over all groups."""
    outputs = workspace.outputs(job)
    cuts = [outputs.read_group(STAGE, _take_first(wanted), part, number).to_pandas() for part in parts]
    aggregates = list(wanted)
    with computing(job, aggregates[0].source):
        tiles = add_up_cuts(cuts, aggregates)
    return [
        (outputs.write(STAGE, inputs, shard_label(ROLE, number), _to_table(tile)), _add_up(tile))
        for inputs, tile in zip(wanted.values(), tiles, strict=True)
    ]


def _to_table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def _add_up(tile: pd.DataFrame) -> tuple[int, int]:
    """Python's integers: over all groups a sum need not fit into 64 bits."""
    return sum(tile["count"].tolist()), sum(tile["sum"].tolist())


def _list_inputs(job: Job, feature_set: FeatureSet, aggregate: Aggregate, rows: Output) -> Inputs:
    code = digest_code("pipeline.stages.partitioning", "pipeline.sharding", __name__)
    return {
        "aggregate": aggregate.name,
        "definition": define_aggregate(feature_set, aggregate),
        "validated": rows.digest,
        "partitions": job.population.shards,
        "code": code,
    }
