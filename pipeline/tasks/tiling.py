"""Tiles and the rows behind them: validated deliveries read back, aggregated by day, added up over trailing windows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import pandas as pd

from features.declarations import Aggregate, FeatureSet
from features.tiles import make_tile, merge_tiles, sum_windows
from pipeline.contracts import POSITION, load_contract
from pipeline.digests import digest_all, digest_code, digest_json
from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.validate import frame_from_arrow
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.concealing import describe_exception
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace, environment_of

TILE_CODE = ("features.tiles", "features.rows")


def sum_aggregate(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregate: Aggregate, days: Sequence[Output | None]
) -> pd.DataFrame:
    """Trailing windows of an aggregate; a day that is None adds nothing to them.

    Args:
        days: validated deliveries, the partition's own first, then those of the days before.
    """
    windows = sorted(
        {window for item in feature_set.trailing if item.aggregate == aggregate for window in item.windows}
    )
    found = [
        None if rows is None else _tile_of(workspace, job, feature_set, aggregate, rows)
        for rows in days[: max(windows)]
    ]
    empty = next(tile for tile in found if tile is not None).iloc[:0]
    tiles = [empty if tile is None else tile for tile in found]
    with computing(job, aggregate.source):
        return sum_windows(tiles, aggregate, windows)


def _tile_of(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregate: Aggregate, rows: Output
) -> pd.DataFrame:
    """The tile of one validated delivery, made if nobody has made it yet."""
    tile = workspace.tiles.find(aggregate.name, _define(feature_set, aggregate), rows.digest)
    return make_tiles(workspace, job, feature_set, rows)[aggregate] if tile is None else tile


def make_tiles(workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output) -> dict[Aggregate, pd.DataFrame]:
    """All tiles of one validated delivery, whose rows are read once, shard by shard."""
    source = rows.inputs["source"]
    parts: dict[Aggregate, list[pd.DataFrame]] = {
        aggregate: [] for aggregate in feature_set.aggregates if aggregate.source == source
    }
    with computing(job, source):
        for label in rows.shards(VALID):
            shard = read_shard(workspace, job, source, rows, label)
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


def read_shard(
    workspace: Workspace, job: Job, source: str, output: Output, label: str, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Validated rows in the contract's dtypes; of ``columns`` alone where they are given."""
    contract = load_contract(job.source(source))
    if columns is not None:
        contract = contract.select(columns)
    table = workspace.outputs(job).read(output, label, [*contract.columns, POSITION])
    return frame_from_arrow(table, contract).drop(columns=POSITION).astype(contract.dtypes)


def read_rows(
    workspace: Workspace, job: Job, source: str, output: Output, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """All valid rows of a validated delivery, as :func:`read_shard` gives them."""
    shards = [read_shard(workspace, job, source, output, label, columns) for label in output.shards(VALID)]
    return pd.concat(shards, ignore_index=True)


@contextmanager
def computing(job: Job, source: str) -> Iterator[None]:
    """Turn what the feature set's functions raise about the rows of ``source`` into an error for operators."""
    try:
        yield
    except (KeyError, ValueError) as error:
        raise BadInputError(
            f"a feature cannot be computed from the rows of {source}",
            job=job.name,
            expected="the columns and values that the feature set names",
            found=describe_exception(error),
            next_step="correct the feature set, or the contract that let these rows through",
        ) from error
