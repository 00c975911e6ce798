"""Tiles and the rows behind them: validated deliveries read back, aggregated by day, added up over trailing windows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import pandas as pd

from features.declarations import Aggregate, FeatureSet
from features.tiles import make_tile, merge_tiles, sum_windows
from pipeline.contracts import POSITION, load_contract
from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.validate import frame_from_arrow
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.aggregates import define_aggregate, list_whole, list_windows
from pipeline.tasks.concealing import describe_exception
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.validating import VALID
from pipeline.tasks.workspace import Workspace


def sum_aggregate(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregate: Aggregate, days: Sequence[Output | None]
) -> pd.DataFrame:
    """Trailing windows of an aggregate whose tiles are whole; a day that is None adds nothing to them.

    Args:
        days: validated deliveries, the partition's own first, then those of the days before.
    """
    windows = list_windows(feature_set, [aggregate])[aggregate]
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
    tile = _find_tile(workspace, feature_set, aggregate, rows)
    return make_tiles(workspace, job, feature_set, rows)[aggregate] if tile is None else tile


def _find_tile(
    workspace: Workspace, feature_set: FeatureSet, aggregate: Aggregate, rows: Output
) -> pd.DataFrame | None:
    return workspace.tiles.find(aggregate.name, define_aggregate(feature_set, aggregate), rows.digest)


def _list_whole(job: Job, feature_set: FeatureSet, rows: Output) -> list[Aggregate]:
    return [each for each in list_whole(job, feature_set) if each.source == rows.inputs["source"]]


def make_missing_tiles(
    workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output, *, force: bool = False
) -> None:
    """Make the whole tiles of one validated delivery, if not all of them are there."""
    whole = _list_whole(job, feature_set, rows)
    if force or any(_find_tile(workspace, feature_set, aggregate, rows) is None for aggregate in whole):
        make_tiles(workspace, job, feature_set, rows)


def make_tiles(workspace: Workspace, job: Job, feature_set: FeatureSet, rows: Output) -> dict[Aggregate, pd.DataFrame]:
    """All whole tiles of one validated delivery, whose rows are read once, shard by shard."""
    aggregates = _list_whole(job, feature_set, rows)
    if not aggregates:
        return {}
    work = partial(_tile_shard, job=job, feature_set=feature_set, aggregates=aggregates, rows=rows)
    parts = run_shards(workspace, work, rows.shards(VALID), rows=rows.rows[VALID])
    with computing(job, rows.inputs["source"]):
        merged = {each: merge_tiles([part[each] for part in parts], each) for each in aggregates}
    return {
        aggregate: workspace.tiles.put(aggregate.name, define_aggregate(feature_set, aggregate), rows.digest, tile)
        for aggregate, tile in merged.items()
    }


def _tile_shard(
    workspace: Workspace,
    label: str,
    *,
    job: Job,
    feature_set: FeatureSet,
    aggregates: Sequence[Aggregate],
    rows: Output,
) -> dict[Aggregate, pd.DataFrame]:
    """The tiles of one shard of a validated delivery."""
    source = rows.inputs["source"]
    shard = read_needed(workspace, job, feature_set, aggregates, rows, label)
    with computing(job, source):
        return {aggregate: make_tile(shard, feature_set, aggregate) for aggregate in aggregates}


def read_needed(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregates: Sequence[Aggregate], rows: Output, label: str
) -> pd.DataFrame:
    """One shard of a validated delivery, of the columns alone that aggregates are made from."""
    source = rows.inputs["source"]
    wanted = [name for each in aggregates for name in (*each.by, each.value) if name is not None]
    columns = feature_set.required_columns(wanted, load_contract(job.source(source)).columns)
    return read_shard(workspace, job, source, rows, label, columns)


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
