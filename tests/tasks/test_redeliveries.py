"""Upstream lands a partition again: a new run takes it, a run in the middle keeps what it began with.

What was released before is named, and running it again gives what a lake would that never knew the first delivery.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tasks
from pipeline.tasks import Workspace
from tests.meter_readings.job import JOB
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, NIGHTS, land_again, read_live, read_scores, run_night, run_until_scored


def double_amps(table: pa.Table) -> pa.Table:
    amps = pc.multiply(table["rated_amps"], 2.0)
    return table.set_column(table.schema.get_field_index("rated_amps"), "rated_amps", amps)


def double_kwh(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("kwh"), "kwh", pc.multiply(table["kwh"], 2.0))


def test_a_new_run_takes_the_delivery_that_landed_last(served: Served) -> None:
    workspace, job = served.workspace, served.job
    delivery = land_again(workspace, "meters", LIVE, double_amps)
    second = run_night(workspace, job, LIVE, "second")
    assert second["ingest"]["deliveries"]["meters"]["digest"] == delivery.digest
    assert second["publish"]["result"] == "live"
    assert read_live(workspace, job, list(served.predictions)) != served.predictions


def test_the_delivery_before_stays_as_it_landed(served: Served) -> None:
    before = served.first["ingest"]["deliveries"]["meters"]
    land_again(served.workspace, "meters", LIVE, double_amps)
    deliveries = served.workspace.deliveries
    deliveries.verify(deliveries.get("meters", **before), served.job.name)
    assert len(deliveries.all_of("meters", LIVE)) == 2


def test_a_run_in_the_middle_keeps_its_delivery(served: Served) -> None:
    workspace, job = served.workspace, served.job
    ingested = tasks.ingest(workspace, job, LIVE, "slow")
    land_again(workspace, "meters", LIVE, double_amps)
    validated = tasks.validate(workspace, job, LIVE, "slow", ingested)
    built = tasks.build_features(workspace, job, LIVE, "slow", validated)
    assert built["output"] == served.first["build_features"]["output"]


def test_a_run_past_validation_keeps_the_deliveries_of_its_windows_too(served: Served) -> None:
    workspace, job = served.workspace, served.job
    ingested = tasks.ingest(workspace, job, LIVE, "slow")
    validated = tasks.validate(workspace, job, LIVE, "slow", ingested)
    land_again(workspace, "readings", "2024-03-02", double_kwh)
    built = tasks.build_features(workspace, job, LIVE, "slow", validated)
    scored = tasks.score(workspace, job, LIVE, "slow", built)
    assert scored["output"] == served.first["score"]["output"]
    assert run_night(workspace, job, LIVE, "next")["score"]["output"] != scored["output"]


def test_landing_the_same_again_changes_nothing(served: Served) -> None:
    deliveries = served.workspace.deliveries
    before = deliveries.newest("meters", LIVE)
    table = MeterUpstream().deliver("meters", date.fromisoformat(LIVE))
    again, is_new = deliveries.land("meters", date.fromisoformat(LIVE), [table], served.workspace.clock())
    assert (again, is_new) == (before, False)


def test_a_redelivery_names_every_released_partition_that_used_the_one_before(served: Served) -> None:
    """Its own, and those whose windows reach it; not the one after them."""
    workspace, job = served.workspace, served.job
    for night in NIGHTS[1:]:
        run_night(workspace, job, night)
    assert tasks.find_affected(workspace, job) == []
    delivery = land_again(workspace, "readings", "2024-03-01", double_kwh)
    affected = tasks.find_affected(workspace, job)
    assert [item.partition for item in affected] == list(NIGHTS[:2])
    (superseded,) = affected[0].superseded
    assert (superseded.source, superseded.partition, superseded.is_own) == ("readings", "2024-03-01", False)
    assert superseded.newest == delivery.digest
    assert affected[0].command == f"nightjar run meter_readings --partition {LIVE}"
    assert [item.partition for item in tasks.find_affected(workspace, job, NEXT)] == [NEXT]
    (warning,) = run_night(workspace, job, LIVE, "again")["validate"]["warnings"]
    assert f"readings of 2024-03-01; released before that, so run again: {NEXT} " in warning
    assert [item.partition for item in tasks.find_affected(workspace, job)] == [NEXT]


def test_a_partition_that_was_missing_and_comes_late_is_a_redelivery_too(served: Served) -> None:
    workspace, job = served.workspace, served.job
    workspace.lake.remove("upstream/readings/partition=2024-03-02")
    tasks.accept_missing(workspace, job, "readings", "2024-03-02", who="Jane Doe", why="meter server burnt down")
    run_night(workspace, job, LIVE, "without")
    land_again(workspace, "readings", "2024-03-02", lambda table: table)
    (affected,) = tasks.find_affected(workspace, job)
    assert [(item.partition, item.used) for item in affected.superseded] == [("2024-03-02", None)]


def test_running_again_gives_what_a_lake_gives_that_never_knew_the_first_delivery(
    served: Served, open_copy: Callable[[Path], Workspace], tmp_path: Path
) -> None:
    workspace, job = served.workspace, served.job
    land_again(workspace, "readings", "2024-03-02", double_kwh)
    land_again(workspace, "meters", LIVE, double_amps)
    again = run_night(workspace, job, LIVE, "again")
    fresh = open_copy(make_fresh_lake(workspace, tmp_path / "fresh"))
    first = run_until_scored(fresh, job, LIVE)
    for stage in ("build_features", "score"):
        found, wanted = (
            space.outputs(job).load(stage, night[stage]["output"])
            for space, night in ((workspace, again), (fresh, first))
        )
        assert found == wanted
    assert read_live(workspace, job, list(served.predictions)) == read_scores(fresh, job, first["score"])


def make_fresh_lake(workspace: Workspace, home: Path) -> Path:
    """The newest deliveries alone, and the models: nothing that was ever computed."""
    lake = Path(workspace.settings.lake)
    shutil.copytree(lake / "jobs" / JOB.name / "models", home / "lake" / "jobs" / JOB.name / "models")
    shutil.copytree(lake / "jobs" / JOB.name / "artifacts", home / "lake" / "jobs" / JOB.name / "artifacts")
    for source in JOB.sources:
        for partition in workspace.deliveries.partitions(source.name):
            newest = workspace.deliveries.newest(source.name, partition)
            assert newest is not None
            shutil.copytree(lake / newest.folder, home / "lake" / newest.folder)
    return home
