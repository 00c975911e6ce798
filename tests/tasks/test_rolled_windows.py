"""Windows by the entity: rolled on from night to night, and the same bytes as when all tiles are added up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.tiles import Windows, sum_alike, take_windows
from pipeline.job import Job
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace, apply_retention, rolled_windows
from pipeline.tasks.accepting import validate_source
from pipeline.tasks.aggregates import list_partitioned
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.partitioned_tiles import STAGE as TILES
from pipeline.tasks.partitioned_tiles import partition_tiles
from pipeline.tasks.rolled_windows import STAGE, read_totals, read_windows, roll_partitioned
from tests.clock import Clock
from tests.meter_readings.feature_set import BY_METER
from tests.meter_readings.upstream import FIRST_ID
from tests.tasks.conftest import Served
from tests.tasks.nights import FIRST_DAY, LIVE, NEXT, NIGHTS, land_again, run_until_scored

SHARDS = 3


def windows_of(workspace: Workspace, job: Job, newest: str) -> Output:
    """Those of the partition whose readings have this digest."""
    (found,) = [each for each in workspace.outputs(job).find_all(STAGE) if each.inputs["days"][0] == newest]
    return found


def digest_of_readings(workspace: Workspace, job: Job, built: str) -> str:
    digest: str = workspace.outputs(job).load("build_features", built).inputs["trailing"]["readings"][0]
    return digest


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tiles were added up, each time that windows were not rolled on."""
    counts: list[int] = []
    original = rolled_windows._add_totals

    def note(tiles: list[Output | None], windows: Windows) -> list[rolled_windows.Totals]:
        counts.append(len(tiles))
        return original(tiles, windows)

    monkeypatch.setattr(rolled_windows, "_add_totals", note)
    return counts


def test_nights_in_a_row_are_rolled_on(trained: Workspace, job: Job, added: list[int]) -> None:
    for night in NIGHTS:
        run_until_scored(trained, job, night)
    assert len(added) <= 1, "only the first of them may have nothing to go on from"


def test_rolled_windows_are_the_bytes_of_added_ones(
    trained_home: Path, open_copy: Callable[[Path], Workspace], job: Job, added: list[int]
) -> None:
    rolled, alone = open_copy(trained_home), open_copy(trained_home)
    for night in NIGHTS[:-1]:
        run_until_scored(rolled, job, night)
    added.clear()
    built = run_until_scored(rolled, job, NIGHTS[-1])["build_features"]["output"]
    assert added == []
    for output in alone.outputs(job).find_all(STAGE):
        alone.outputs(job).remove(STAGE, output.address)
    assert run_until_scored(alone, job, NIGHTS[-1])["build_features"]["output"] == built
    assert added == [4]
    newest = digest_of_readings(rolled, job, built)
    first, second = windows_of(rolled, job, newest), windows_of(alone, job, newest)
    assert first.model_dump() == second.model_dump()


def test_partitions_together_are_the_windows_of_whole_tiles(trained: Workspace, job: Job) -> None:
    """Keys, counts and sums, and what all groups have together."""
    built = run_until_scored(trained, job, LIVE)["build_features"]["output"]
    outputs = trained.outputs(job)
    windows = windows_of(trained, job, digest_of_readings(trained, job, built))
    days = [next(each for each in outputs.find_all("validate") if each.digest == day) for day in windows.inputs["days"]]
    feature_set = load_feature_set(job)
    tiles, alike = [], (BY_METER,)
    for rows in days:
        tile = partition_tiles(trained, job, feature_set, rows)[alike]
        tiles.append(pd.concat([outputs.read(tile, label).to_pandas() for label in tile.shards("tiles")]))
    lengths = {BY_METER: [1, 4]}
    whole = take_windows(sum_alike(tiles, lengths), lengths, BY_METER)
    parts = [read_windows(trained, job, feature_set, alike, windows, number)[BY_METER] for number in range(SHARDS)]
    assert all(len(part) for part in parts)
    together = pd.concat(parts).sort_values("meter_id", ignore_index=True)
    pd.testing.assert_frame_equal(together, whole)
    (totals,) = read_totals(windows)
    for window, total in totals.items():
        assert total == (whole[f"count_{window}"].sum(), whole[f"sum_{window}"].sum())


def test_aggregates_with_the_same_keys_are_rolled_on_together(landed: Workspace, job: Job, added: list[int]) -> None:
    """With windows of their own each; were they not those that adding up gives, making them again would be refused."""
    several = job.model_copy(update={"feature_set": "tests.meter_readings.several_by_meter:FEATURES"})
    feature_set = load_feature_set(several)
    (alike,) = list_partitioned(several, feature_set)
    assert len(alike) == 2
    source = several.source("readings")
    partitions = [(FIRST_DAY + timedelta(days=age)).isoformat() for age in range(6)]
    rows = [validate_source(landed, several, source, partition).rows for partition in partitions]
    for age, partition in enumerate(partitions):
        days = rows[age::-1]
        windows = roll_partitioned(landed, several, feature_set, alike, partition, days)
        assert added == [1], "only the first of them has nothing to go on from"
        assert len(read_totals(windows)) == 2
    assert roll_partitioned(landed, several, feature_set, alike, partitions[-1], rows[::-1], force=True) == windows
    assert added == [1, 4]


def test_a_corrected_day_is_added_up_anew(served: Served, added: list[int]) -> None:
    """Windows are named by the deliveries behind them, so those with the delivery of before are not rolled on."""
    run_until_scored(served.workspace, served.job, NEXT)
    added.clear()
    ids = pa.array([FIRST_ID])
    land_again(
        served.workspace, "readings", LIVE, lambda table: table.filter(pc.invert(pc.is_in(table["meter_id"], ids)))
    )
    run_until_scored(served.workspace, served.job, NEXT, "second")
    assert added == [4]


def test_retention_keeps_the_tiles_of_later_windows_and_lets_windows_go(served: Served, clock: Clock) -> None:
    workspace, job = served.workspace, served.job
    before = {output.address for output in workspace.outputs(job).find_all(TILES)}
    assert before
    clock.now = datetime.now(UTC) + timedelta(days=400)
    apply_retention(workspace, job)
    reopened = Workspace(workspace.settings, workspace.clock).outputs(job)
    validated = {output.digest for output in reopened.find_all("validate")}
    left = reopened.find_all(TILES)
    assert left
    assert {output.inputs["validated"] for output in left} <= validated
    assert reopened.find_all(STAGE) == []
