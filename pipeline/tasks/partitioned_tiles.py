"""Tiles of aggregates by the entity, which have as many groups as there are entities: in partitions, out of core.

    stages/<job>/tiles/<digest of inputs>/     one file a partition; partitions are the population's shards

Every shard of the rows is cut into partitions, as a file of one row group a partition that no manifest names; then
every partition is added up from those, and they are removed.  Aggregates with the same keys have one tile together.
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

from features.declarations import FeatureSet
from features.tiles import add_up_cuts, cut_rows
from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stages.partitioning import split_groups
from pipeline.stores.parquet import encode_groups
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.aggregates import Alike, define_aggregate, list_partitioned
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
) -> dict[Alike, Output]:
    """The tiles of one validated delivery, of all aggregates of its source that are by the entity.

    Raises:
        BadInputError: a value cannot be kept exactly, or the rows lack a column.
    """
    tiles = {}
    for alike, key in list_partitioned(job, feature_set).items():
        if alike[0].source == rows.inputs["source"]:
            inputs = _list_inputs(job, feature_set, alike, rows)
            found = None if force else workspace.outputs(job).find(STAGE, inputs)
            tiles[alike] = found or _make_tiles(workspace, job, feature_set, rows, alike, key, inputs)
    return tiles


def _make_tiles(
    workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output, alike: Alike, key: str, inputs: Inputs
) -> Output:
    role = f"{_PART}-{uuid.uuid4().hex}"
    cut = partial(
        _cut_shard, job=job, feature_set=feature_set, rows=rows, alike=alike, key=key, inputs=inputs, role=role
    )
    parts = run_shards(workspace, cut, list(enumerate(rows.shards(VALID))), rows=rows.rows[VALID])
    merge = partial(_merge_partition, job=job, alike=alike, inputs=inputs, parts=parts)
    merged = run_shards(workspace, merge, range(inputs["partitions"]), rows=sum(part.rows for part in parts))
    files = {shard_label(ROLE, number): file for number, (file, _) in enumerate(merged)}
    totals = [
        [sum(column) for column in zip(*of_partitions, strict=True)]
        for of_partitions in zip(*(added for _, added in merged), strict=True)
    ]
    outputs = workspace.outputs(job)
    tile = outputs.commit(STAGE, inputs, files, {"totals": totals})
    outputs.discard(STAGE, inputs, parts)
    return tile


def _cut_shard(
    workspace: Workspace,
    shard: tuple[int, str],
    *,
    job: Job,
    feature_set: FeatureSet,
    rows: Output,
    alike: Alike,
    key: str,
    inputs: Inputs,
    role: str,
) -> OutputFile:
    """Write down by partition what one shard of the rows adds to the tiles."""
    number, label = shard
    needed = read_needed(workspace, job, feature_set, alike, rows, label)
    with computing(job, rows.inputs["source"]):
        cut = cut_rows(needed, feature_set, alike)
    content = encode_groups(split_groups(cut, key, inputs["partitions"]))
    return workspace.outputs(job).write_bytes(STAGE, inputs, shard_label(role, number), content, len(cut))


def _merge_partition(
    workspace: Workspace, number: int, *, job: Job, alike: Alike, inputs: Inputs, parts: Sequence[OutputFile]
) -> tuple[OutputFile, list[tuple[int, int]]]:
    """One partition of the tile, and of every aggregate the count and the sum over its groups."""
    outputs = workspace.outputs(job)
    cuts = [outputs.read_group(STAGE, inputs, part, number).to_pandas() for part in parts]
    with computing(job, alike[0].source):
        tile = add_up_cuts(cuts, alike)
    file = outputs.write(STAGE, inputs, shard_label(ROLE, number), pa.Table.from_pandas(tile, preserve_index=False))
    return file, [_add_up(tile, position) for position in range(len(alike))]


def _add_up(tile: pd.DataFrame, position: int) -> tuple[int, int]:
    """Python's integers: over all groups a sum need not fit into 64 bits."""
    return sum(tile[f"count_{position}"].tolist()), sum(tile[f"sum_{position}"].tolist())


def _list_inputs(job: Job, feature_set: FeatureSet, alike: Alike, rows: Output) -> Inputs:
    code = digest_code("pipeline.stages.partitioning", "pipeline.sharding", __name__)
    return {
        "aggregates": [aggregate.name for aggregate in alike],
        "definitions": [define_aggregate(feature_set, aggregate) for aggregate in alike],
        "validated": rows.digest,
        "partitions": job.population.shards,
        "code": code,
    }
