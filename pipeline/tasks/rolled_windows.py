"""Trailing windows of aggregates by the entity: partition by partition, each night's made of those of the night before.

    stages/<job>/windows/<digest of inputs>/     one file a partition; named by the deliveries that it adds up

The windows of a partition are those of the day before, and what its tile adds, and less what leaves each window.
All are integers, so that they are the very windows that adding all tiles up gives, and the cost of a night does not
grow with the length of its windows.  Where yesterday's are not there, tiles are added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from features.declarations import Aggregate, FeatureSet
from features.tiles import roll_windows, sum_windows
from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.aggregates import define_aggregate, list_windows
from pipeline.tasks.parallel import run_shards
from pipeline.tasks.partitioned_tiles import ROLE as TILES
from pipeline.tasks.partitioned_tiles import partition_tiles
from pipeline.tasks.partitions import find_delivery, trailing_days
from pipeline.tasks.tiling import computing
from pipeline.tasks.validating import find_validated
from pipeline.tasks.workspace import Workspace, environment_of

STAGE = "windows"
ROLE = "windows"

Days = Sequence[Output | None]
Totals = dict[int, tuple[int, int]]
"""Count and sum over all groups, by length of the window."""


@dataclass(frozen=True)
class _Step:
    """What takes the windows of one day to those of the next.

    Attributes:
        before: the windows of the day before.
        newest: the tile of the day; None if there is none.
        leaving: by length, the tile that leaves the window; None if there is none.
    """

    before: Output
    newest: Output | None
    leaving: Mapping[int, Output | None]


def roll_partitioned(
    workspace: Workspace,
    job: Job,
    feature_set: FeatureSet,
    aggregate: Aggregate,
    partition: str,
    days: Days,
    *,
    force: bool = False,
) -> Output:
    """Trailing windows of an aggregate by the entity; a day that is None adds nothing to them.

    Args:
        days: validated deliveries, the partition's own first, then those of the days before.
        force: add tiles up, whatever is there.

    Raises:
        BadInputError: a sum has more digits than are kept exactly.
    """
    outputs = workspace.outputs(job)
    windows = list_windows(feature_set, aggregate)
    days = days[: max(windows)]
    inputs = _list_inputs(job, feature_set, aggregate, windows, days)
    if not force and (found := outputs.find(STAGE, inputs)) is not None:
        return found
    take = partial(_take_tile, workspace, job, feature_set, aggregate)
    step = None if force else _find_step(workspace, job, feature_set, aggregate, windows, partition, days)
    if step is None:
        tiles = [take(rows) for rows in days]
        totals = _add_totals(tiles, windows)
        work = partial(_add_partition, job=job, aggregate=aggregate, windows=windows, inputs=inputs, tiles=tiles)
        rows = sum(tile.rows[TILES] for tile in tiles if tile is not None)
    else:
        totals = _roll_totals(step, windows)
        work = partial(_roll_partition, job=job, aggregate=aggregate, windows=windows, inputs=inputs, step=step)
        rows = step.before.rows[ROLE]
    summed = run_shards(workspace, work, range(inputs["partitions"]), rows=rows)
    files = {shard_label(ROLE, number): file for number, file in enumerate(summed)}
    return outputs.commit(STAGE, inputs, files, {"totals": [[window, *totals[window]] for window in windows]})


def read_windows(workspace: Workspace, job: Job, windows: Output, number: int) -> pd.DataFrame:
    """The groups of one partition, as :func:`features.tiles.sum_windows` gives them."""
    frame: pd.DataFrame = workspace.outputs(job).read(windows, shard_label(ROLE, number)).to_pandas()
    return frame


def read_totals(windows: Output) -> Totals:
    """Count and sum over the groups of all partitions, by length of the window."""
    return {window: (count, total) for window, count, total in windows.facts["totals"]}


def _find_step(
    workspace: Workspace,
    job: Job,
    feature_set: FeatureSet,
    aggregate: Aggregate,
    windows: Sequence[int],
    partition: str,
    days: Days,
) -> _Step | None:
    """What leads from the windows of the day before to those of the partition; None if those are not there."""
    longest = max(windows)
    previous = (date.fromisoformat(partition) - timedelta(days=1)).isoformat()
    reached = trailing_days(job, previous, longest)
    if not reached:
        return None
    earlier = list(days[1:])
    if len(reached) == longest:
        earlier.append(_find_rows(workspace, job, aggregate.source, reached[-1]))
    if all(rows is None for rows in earlier):
        return None
    before = workspace.outputs(job).find(STAGE, _list_inputs(job, feature_set, aggregate, windows, earlier))
    if before is None:
        return None
    take = partial(_take_tile, workspace, job, feature_set, aggregate)
    leaving = {window: take(earlier[window - 1]) for window in windows if window <= len(earlier)}
    return _Step(before, take(days[0]), leaving)


def _find_rows(workspace: Workspace, job: Job, name: str, day: str) -> Output | None:
    """The validated delivery of a day that the windows have left, if it was ever used."""
    source = job.source(name)
    delivery = find_delivery(workspace, source, day)
    return None if delivery is None else find_validated(workspace, job, source, delivery)


def _take_tile(
    workspace: Workspace, job: Job, feature_set: FeatureSet, aggregate: Aggregate, rows: Output | None
) -> Output | None:
    return None if rows is None else partition_tiles(workspace, job, feature_set, rows)[aggregate]


def _add_partition(
    workspace: Workspace,
    number: int,
    *,
    job: Job,
    aggregate: Aggregate,
    windows: Sequence[int],
    inputs: Mapping[str, Any],
    tiles: Days,
) -> OutputFile:
    found = [_read_tile(workspace, job, tile, number) for tile in tiles]
    empty = next(tile for tile in found if tile is not None).iloc[:0]
    with computing(job, aggregate.source):
        summed = sum_windows([empty if tile is None else tile for tile in found], aggregate, windows)
    return _write(workspace, job, inputs, number, summed)


def _roll_partition(
    workspace: Workspace,
    number: int,
    *,
    job: Job,
    aggregate: Aggregate,
    windows: Sequence[int],
    inputs: Mapping[str, Any],
    step: _Step,
) -> OutputFile:
    leaving = {window: _read_tile(workspace, job, tile, number) for window, tile in step.leaving.items()}
    with computing(job, aggregate.source):
        rolled = roll_windows(
            read_windows(workspace, job, step.before, number),
            _read_tile(workspace, job, step.newest, number),
            {window: tile for window, tile in leaving.items() if tile is not None},
            aggregate,
            windows,
        )
    return _write(workspace, job, inputs, number, rolled)


def _read_tile(workspace: Workspace, job: Job, tile: Output | None, number: int) -> pd.DataFrame | None:
    if tile is None:
        return None
    frame: pd.DataFrame = workspace.outputs(job).read(tile, shard_label(TILES, number)).to_pandas()
    return frame


def _write(workspace: Workspace, job: Job, inputs: Mapping[str, Any], number: int, windows: pd.DataFrame) -> OutputFile:
    table = pa.Table.from_pandas(windows, preserve_index=False)
    return workspace.outputs(job).write(STAGE, inputs, shard_label(ROLE, number), table)


def _add_totals(tiles: Days, windows: Sequence[int]) -> Totals:
    return {window: _add_facts([tile for tile in tiles[:window] if tile is not None]) for window in windows}


def _roll_totals(step: _Step, windows: Sequence[int]) -> Totals:
    before = read_totals(step.before)
    coming = _add_facts([] if step.newest is None else [step.newest])
    totals = {}
    for window in windows:
        tile = step.leaving.get(window)
        going = _add_facts([] if tile is None else [tile])
        totals[window] = (before[window][0] + coming[0] - going[0], before[window][1] + coming[1] - going[1])
    return totals


def _add_facts(tiles: Sequence[Output]) -> tuple[int, int]:
    return sum(tile.facts["count"] for tile in tiles), sum(tile.facts["sum"] for tile in tiles)


def _list_inputs(
    job: Job, feature_set: FeatureSet, aggregate: Aggregate, windows: Sequence[int], days: Days
) -> dict[str, Any]:
    return {
        "aggregate": aggregate.name,
        "definition": define_aggregate(feature_set, aggregate),
        "windows": list(windows),
        "partitions": job.population.shards,
        "days": [rows and rows.digest for rows in days],
        "code": digest_code("pipeline.stages.partitioning", "pipeline.sharding", __name__),
        "environment": environment_of(),
    }
