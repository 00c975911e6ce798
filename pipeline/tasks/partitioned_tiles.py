"""Tiles of aggregates by the entity, which have as many groups as there are entities: in partitions, out of core.

    stages/<job>/tiles/<digest of inputs>/     one file a partition; partitions are the population's shards

Every shard of the rows is aggregated and cut into partitions, as a file of one row group a partition that no manifest
names; then every partition is added up from those, and they are removed.  Their names are their maker's own, so that
of two that make the same tiles neither removes what the other still reads.  What many entities share, such as a
country, has few groups: its tiles are whole (:mod:`pipeline.tasks.tiling`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from features.declarations import Aggregate, FeatureSet
from features.tiles import merge_tiles
from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stages.partitioning import split_groups
from pipeline.stores.parquet import encode_groups
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.aggregates import define_aggregate, list_partitioned
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.tiling import computing, tile_shard
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
    if missing:
        shards = list(enumerate(rows.shards(VALID)))
        role = f"{_PART}-{uuid.uuid4().hex}"
        cut = partial(_cut_shard, job=job, feature_set=feature_set, rows=rows, wanted=missing, role=role)
        parts = run_shards(workspace, cut, shards, rows=rows.rows[VALID])
        for aggregate, inputs in missing.items():
            tiles[aggregate] = _merge_parts(workspace, job, aggregate, inputs, [part[aggregate] for part in parts])
    return tiles


def _cut_shard(
    workspace: Workspace,
    shard: tuple[int, str],
    *,
    job: Job,
    feature_set: FeatureSet,
    rows: Output,
    wanted: Mapping[Aggregate, Inputs],
    role: str,
) -> dict[Aggregate, OutputFile]:
    """Aggregate one shard of the rows, and write its groups down by partition."""
    number, label = shard
    tiles = tile_shard(workspace, label, job=job, feature_set=feature_set, aggregates=list(wanted), rows=rows)
    keys = list_partitioned(job, feature_set)
    files = {}
    for aggregate, inputs in wanted.items():
        parts = split_groups(tiles[aggregate], keys[aggregate], inputs["partitions"])
        content = encode_groups([pa.Table.from_pandas(part, preserve_index=False) for part in parts])
        name = shard_label(role, number)
        files[aggregate] = workspace.outputs(job).write_bytes(STAGE, inputs, name, content, len(tiles[aggregate]))
    return files


def _merge_parts(
    workspace: Workspace, job: Job, aggregate: Aggregate, inputs: Inputs, parts: Sequence[OutputFile]
) -> Output:
    outputs = workspace.outputs(job)
    merge = partial(_merge_partition, job=job, aggregate=aggregate, inputs=inputs, parts=parts)
    merged = run_shards(workspace, merge, range(inputs["partitions"]), rows=sum(part.rows for part in parts))
    files = {shard_label(ROLE, number): file for number, (file, _) in enumerate(merged)}
    totals = [sum(column) for column in zip(*(total for _, total in merged), strict=True)]
    tile = outputs.commit(STAGE, inputs, files, {"count": totals[0], "sum": totals[1]})
    outputs.discard(STAGE, inputs, parts)
    return tile


def _merge_partition(
    workspace: Workspace, number: int, *, job: Job, aggregate: Aggregate, inputs: Inputs, parts: Sequence[OutputFile]
) -> tuple[OutputFile, tuple[int, int]]:
    """One partition of the tile, and its count and sum over all groups."""
    outputs = workspace.outputs(job)
    groups = [outputs.read_group(STAGE, inputs, part, number).to_pandas() for part in parts]
    with computing(job, aggregate.source):
        tile = merge_tiles(groups, aggregate)
    table = pa.Table.from_pandas(tile, preserve_index=False)
    return outputs.write(STAGE, inputs, shard_label(ROLE, number), table), _add_up(tile)


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
