"""Upstream lands a partition again: a new run takes it, a run in the middle keeps what it began with.

What was released before is named, and running it again gives what a lake would that never knew the first delivery.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import RefusedError
from pipeline.tasks import Workspace
from tests.meter_readings.job import JOB
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.gates import make_lossy, with_gate
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


def test_what_the_gate_blocked_is_not_what_is_served(served: Served) -> None:
    """It was made of the newest delivery, and readers still see what was made of the one before."""
    workspace, job = served.workspace, with_gate(served, on_breach="block").job
    released = run_night(workspace, job, NEXT)["publish"]["generation"]
    make_lossy(workspace, NEXT)
    with pytest.raises(RefusedError, match="release gate blocked"):
        run_night(workspace, job, NEXT, "lossy")
    (affected,) = tasks.find_affected(workspace, job)
    assert (affected.partition, affected.generation) == (NEXT, released)
    held = run_night(workspace, with_gate(served, on_breach="ask").job, NEXT, "held")["publish"]
    assert held["result"] == "held"
    assert [item.generation for item in tasks.find_affected(workspace, job)] == [released]
    tasks.approve_release(workspace, job, held["generation"], who="Jane Doe", why="the region was sold")
    assert tasks.find_affected(workspace, job) == []


def test_what_was_rolled_back_is_not_what_is_served(served: Served) -> None:
    workspace, job = served.workspace, served.job
    land_again(workspace, "meters", LIVE, double_amps)
    run_night(workspace, job, LIVE, "again")
    assert tasks.find_affected(workspace, job) == []
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="Jane Doe", why="too warm")
    (affected,) = tasks.find_affected(workspace, job)
    assert affected.generation == served.first["publish"]["generation"]


def test_an_audit_of_what_was_known_then_is_not_what_is_served(served: Served) -> None:
    workspace, job = served.workspace, served.job
    land_again(workspace, "meters", LIVE, double_amps)
    run_night(workspace, job, LIVE, "again")
    assert run_night(workspace, job, LIVE, "audit", basis="as_known_then")["publish"]["result"] == "kept"
    assert tasks.find_affected(workspace, job) == []


def test_a_partition_whose_only_release_was_taken_back_or_waits_is_named_too(served: Served) -> None:
    """It is for a correction like this one that it was."""
    workspace, job = served.workspace, served.job
    taken_back = run_night(workspace, job, NEXT)["publish"]["generation"]
    tasks.roll_back(workspace, job, served.first["publish"]["generation"], with_model=False, who="Jane", why="warm")
    make_lossy(workspace, NIGHTS[2])
    held = run_night(workspace, with_gate(served, on_breach="ask").job, NIGHTS[2])["publish"]
    assert held["result"] == "held"
    for night in (NEXT, NIGHTS[2]):
        land_again(workspace, "meters", night, double_amps)
    found = {item.partition: item.generation for item in tasks.find_affected(workspace, job)}
    assert found == {NEXT: taken_back, NIGHTS[2]: held["generation"]}


def test_a_release_that_broke_off_before_it_was_sealed_is_none(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its manifest is there, and nobody ever read it."""
    workspace, job = served.workspace, served.job
    land_again(workspace, "meters", LIVE, double_amps)
    monkeypatch.setattr("pipeline.stores.predictions.load.Load.seal", Mock(side_effect=ConnectionError))
    with pytest.raises(ConnectionError):
        run_night(workspace, job, LIVE, "broken")
    (affected,) = tasks.find_affected(workspace, job)
    assert affected.generation == served.first["publish"]["generation"]


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
