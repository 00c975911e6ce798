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
from features.tiles import Windows, find_longest, roll_alike, sum_alike, take_windows
from pipeline.digests import digest_code
from pipeline.job import Job
from pipeline.stores.stage_outputs import Output, OutputFile, shard_label
from pipeline.tasks.aggregates import Alike, define_aggregate, list_windows
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
"""Of one aggregate the count and the sum over all groups, by length of the window."""


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
    alike: Alike,
    partition: str,
    days: Days,
    *,
    force: bool = False,
) -> Output:
    """Trailing windows of aggregates by the entity that are alike; a day that is None adds nothing to them.

    Args:
        days: validated deliveries, the partition's own first, then those of the days before.
        force: add tiles up, whatever is there.

    Raises:
        BadInputError: a sum has more digits than are kept exactly.
    """
    outputs = workspace.outputs(job)
    windows = list_windows(feature_set, alike)
    days = days[: find_longest(windows)]
    inputs = _list_inputs(job, feature_set, windows, days)
    if not force and (found := outputs.find(STAGE, inputs)) is not None:
        return found
    take = partial(_take_tile, workspace, job, feature_set, alike)
    step = None if force else _find_step(workspace, job, feature_set, windows, partition, days)
    if step is None:
        tiles = [take(rows) for rows in days]
        totals = _add_totals(tiles, windows)
        work = partial(_add_partition, job=job, windows=windows, inputs=inputs, tiles=tiles)
        rows = sum(tile.rows[TILES] for tile in tiles if tile is not None)
    else:
        totals = _roll_totals(step, windows)
        work = partial(_roll_partition, job=job, windows=windows, inputs=inputs, step=step)
        rows = step.before.rows[ROLE]
    summed = run_shards(workspace, work, range(inputs["partitions"]), rows=rows)
    files = {shard_label(ROLE, number): file for number, file in enumerate(summed)}
    facts = {"totals": [[[window, *of_one[window]] for window in of_one] for of_one in totals]}
    return outputs.commit(STAGE, inputs, files, facts)


def read_windows(
    workspace: Workspace, job: Job, feature_set: FeatureSet, alike: Alike, output: Output, number: int
) -> dict[Aggregate, pd.DataFrame]:
    """The groups of one partition, of every aggregate as :func:`features.tiles.sum_windows` gives them."""
    summed, windows = _read(workspace, job, output, ROLE, number), list_windows(feature_set, alike)
    return {aggregate: take_windows(summed, windows, aggregate) for aggregate in alike}


def read_totals(windows: Output) -> list[Totals]:
    """Of every aggregate the count and the sum over the groups of all partitions, by length of the window."""
    return [{window: (count, total) for window, count, total in of_one} for of_one in windows.facts["totals"]]


def _find_step(
    workspace: Workspace, job: Job, feature_set: FeatureSet, windows: Windows, partition: str, days: Days
) -> _Step | None:
    """What leads from the windows of the day before to those of the partition; None if those are not there."""
    alike, longest = tuple(windows), find_longest(windows)
    previous = (date.fromisoformat(partition) - timedelta(days=1)).isoformat()
    reached = trailing_days(job, previous, longest)
    if not reached:
        return None
    earlier = list(days[1:])
    if len(reached) == longest:
        earlier.append(_find_rows(workspace, job, alike[0].source, reached[-1]))
    if all(rows is None for rows in earlier):
        return None
    before = workspace.outputs(job).find(STAGE, _list_inputs(job, feature_set, windows, earlier))
    if before is None:
        return None
    take = partial(_take_tile, workspace, job, feature_set, alike)
    lengths = sorted({window for of_one in windows.values() for window in of_one})
    leaving = {window: take(earlier[window - 1]) for window in lengths if window <= len(earlier)}
    return _Step(before, take(days[0]), leaving)


def _find_rows(workspace: Workspace, job: Job, name: str, day: str) -> Output | None:
    """The validated delivery of a day that the windows have left, if it was ever used."""
    source = job.source(name)
    delivery = find_delivery(workspace, source, day)
    return None if delivery is None else find_validated(workspace, job, source, delivery)


def _take_tile(
    workspace: Workspace, job: Job, feature_set: FeatureSet, alike: Alike, rows: Output | None
) -> Output | None:
    return None if rows is None else partition_tiles(workspace, job, feature_set, rows)[alike]


def _add_partition(
    workspace: Workspace, number: int, *, job: Job, windows: Windows, inputs: Mapping[str, Any], tiles: Days
) -> OutputFile:
    found = [_read_tile(workspace, job, tile, number) for tile in tiles]
    empty = next(tile for tile in found if tile is not None).iloc[:0]
    with computing(job, next(iter(windows)).source):
        summed = sum_alike([empty if tile is None else tile for tile in found], windows)
    return _write(workspace, job, inputs, number, summed)


def _roll_partition(
    workspace: Workspace, number: int, *, job: Job, windows: Windows, inputs: Mapping[str, Any], step: _Step
) -> OutputFile:
    leaving = {window: _read_tile(workspace, job, tile, number) for window, tile in step.leaving.items()}
    with computing(job, next(iter(windows)).source):
        rolled = roll_alike(
            _read(workspace, job, step.before, ROLE, number),
            _read_tile(workspace, job, step.newest, number),
            {window: tile for window, tile in leaving.items() if tile is not None},
            windows,
        )
    return _write(workspace, job, inputs, number, rolled)


def _read_tile(workspace: Workspace, job: Job, tile: Output | None, number: int) -> pd.DataFrame | None:
    return None if tile is None else _read(workspace, job, tile, TILES, number)


def _read(workspace: Workspace, job: Job, output: Output, role: str, number: int) -> pd.DataFrame:
    frame: pd.DataFrame = workspace.outputs(job).read(output, shard_label(role, number)).to_pandas()
    return frame


def _write(workspace: Workspace, job: Job, inputs: Mapping[str, Any], number: int, windows: pd.DataFrame) -> OutputFile:
    table = pa.Table.from_pandas(windows, preserve_index=False)
    return workspace.outputs(job).write(STAGE, inputs, shard_label(ROLE, number), table)


def _add_totals(tiles: Days, windows: Windows) -> list[Totals]:
    return [
        {window: _read_tile_totals(tiles[:window], position) for window in lengths}
        for position, lengths in enumerate(windows.values())
    ]


def _roll_totals(step: _Step, windows: Windows) -> list[Totals]:
    rolled = []
    for position, (before, lengths) in enumerate(zip(read_totals(step.before), windows.values(), strict=True)):
        coming = _read_tile_totals([step.newest], position)
        totals = {}
        for window in lengths:
            going = _read_tile_totals([step.leaving.get(window)], position)
            totals[window] = (before[window][0] + coming[0] - going[0], before[window][1] + coming[1] - going[1])
        rolled.append(totals)
    return rolled


def _read_tile_totals(tiles: Days, position: int) -> tuple[int, int]:
    """Count and sum over all groups of some tiles, of one aggregate."""
    totals = [tile.facts["totals"][position] for tile in tiles if tile is not None]
    return sum(count for count, _ in totals), sum(total for _, total in totals)


def _list_inputs(job: Job, feature_set: FeatureSet, windows: Windows, days: Days) -> dict[str, Any]:
    return {
        "aggregates": [aggregate.name for aggregate in windows],
        "definitions": [define_aggregate(feature_set, aggregate) for aggregate in windows],
        "windows": [list(lengths) for lengths in windows.values()],
        "partitions": job.population.shards,
        "days": [rows and rows.digest for rows in days],
        "code": digest_code("pipeline.stages.partitioning", "pipeline.sharding", __name__),
        "environment": environment_of(),
    }
