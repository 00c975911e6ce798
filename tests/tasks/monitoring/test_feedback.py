"""Nights of a real lake are graded once their labels close, and again once these are corrected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, DamagedError, UnforeseenError
from pipeline.job import Job, PromotionGate
from pipeline.monitoring import Estimate, Graded
from pipeline.stages.monitor.concept import CONCEPT
from pipeline.stages.monitor.outcomes import PRIMARY
from pipeline.tasks import Workspace, grade_closed, open_workspace
from pipeline.tasks.monitoring.feedback import NOT_CLOSED, NOT_KEPT, NOT_SERVED, UP_TO_DATE
from pipeline.tasks.scoring import SCORE_STAGE
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.upstream import METERS
from tests.monitoring_records import log_alarm, make_observed, make_signal
from tests.tasks.conftest import NO_REDIS, PrepareServed, ReopenServed, Served
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, NEXT, NIGHTS, land_again, run_night


@pytest.fixture(scope="module")
def kept_nights(prepare_served: PrepareServed) -> Kept:
    """Three nights were served; the labels of all of them are there."""
    return prepare_served(lambda served: [run_night(served.workspace, served.job, night) for night in NIGHTS[1:3]])


@pytest.fixture
def nights(kept_nights: Kept, reopen_served: ReopenServed) -> Served:
    """A copy of it."""
    return reopen_served(kept_nights)


def grade(served: Served, partition: str | None = None) -> dict[str, Any]:
    return grade_closed(served.workspace, served.job, "feedback", partition=partition)


def list_graded(summary: dict[str, Any]) -> list[str]:
    return [night["partition"] for night in summary["graded"]]


def read(served: Served, partition: str = LIVE) -> Graded:
    graded = served.workspace.monitoring(served.job).find_graded(partition)
    assert graded is not None
    return graded


def raise_readings(rows: int) -> Callable[[pa.Table], pa.Table]:
    """The first so many meters have counted a kilowatt-hour more."""

    def change(table: pa.Table) -> pa.Table:
        more = pc.add(table["kwh"], pa.array([1.0] * rows + [0.0] * (table.num_rows - rows)))
        return table.set_column(table.schema.get_field_index("kwh"), "kwh", more)

    return change


def test_every_served_night_is_graded_once(nights: Served) -> None:
    first = grade(nights)
    assert list_graded(first) == list(NIGHTS[:3])
    assert (first["skipped"], first["ask"], first["partition"]) == ({}, None, NIGHTS[3])
    records = {night.partition: night for night in nights.workspace.monitoring(nights.job).graded()}
    assert grade(nights)["graded"] == []
    assert {night.partition: night for night in nights.workspace.monitoring(nights.job).graded()} == records


def test_the_record_says_what_grading_the_night_alone_says(served: Served) -> None:
    grade(served)
    alone = tasks.grade(served.workspace, served.job, LIVE)
    night = read(served)
    assert {name: alone[name] for name in night.metrics} == night.metrics
    assert (night.generation, night.model_version) == (alone["generation"], alone["model_version"])
    assert (night.scored, night.labelled) == (METERS, alone["rows"])
    assert (night.gradings, night.corrected) == (1, 0)
    assert [label.partition for label in night.labels] == [NEXT]
    assert sum(each.rows for each in night.calibration) == night.labelled


def test_a_night_waits_until_its_labels_close(served: Served, clock: Clock) -> None:
    run_night(served.workspace, served.job, NEXT)
    clock.now = datetime(2024, 3, 5, 12, tzinfo=UTC)  # 2024-03-04 has closed in Auckland, the day after has not
    assert list_graded(grade(served)) == [LIVE]
    assert grade(served, NEXT)["skipped"] == {NOT_CLOSED: [NEXT]}
    clock.advance(days=1)
    assert list_graded(grade(served)) == [NEXT]


def test_labels_that_are_late_are_waited_for_and_said(served: Served, clock: Clock) -> None:
    run_night(served.workspace, served.job, NIGHTS[3])  # what was read on the day after has not landed
    summary = grade(served)
    assert list_graded(summary) == [LIVE]
    assert summary["skipped"] == {"source readings was not delivered": [NIGHTS[3]]}
    land_again(served.workspace, "readings", "2024-03-07", lambda table: table)
    assert list_graded(grade(served)) == [NIGHTS[3]]


def test_corrected_labels_are_graded_again_and_counted(nights: Served) -> None:
    grade(nights)
    before = read(nights)
    land_again(nights.workspace, "readings", NEXT, raise_readings(50))
    summary = grade(nights)
    assert list_graded(summary) == [LIVE]
    after = read(nights)
    unread = 50 - summary["graded"][0]["corrected"]
    assert 0 <= unread < 10  # a few of the fifty meters were not read
    assert (after.gradings, before.gradings) == (2, 1)
    assert after.metrics["rmse"] > before.metrics["rmse"]
    assert grade(nights)["graded"] == []


def test_the_same_delivery_landed_again_corrects_nothing(nights: Served) -> None:
    grade(nights)
    workspace = nights.workspace
    land_again(workspace, "readings", NEXT, lambda table: table.take(pa.array(range(table.num_rows - 1, -1, -1))))
    grade(nights)
    assert (read(nights).gradings, read(nights).corrected) == (2, 0)


def test_corrections_of_older_nights_than_retention_keeps_are_left_alone_unless_asked_for(nights: Served) -> None:
    job = nights.job.model_copy(update={"retention": nights.job.retention.model_copy(update={"nights": 2})})
    grade_closed(nights.workspace, job, "first")
    land_again(nights.workspace, "readings", NEXT, raise_readings(50))
    assert grade_closed(nights.workspace, job, "second")["graded"] == []
    assert list_graded(grade_closed(nights.workspace, job, "third", partition=LIVE)) == [LIVE]


def test_nights_whose_records_retention_removes_are_left_alone_unless_asked_for(workspace: Workspace, job: Job) -> None:
    """Else each of them were tried again every day, for as long as the release log knows it."""
    long_ago = (date.fromisoformat(LIVE) - job.retention.monitoring - timedelta(days=1)).isoformat()
    for token, night in enumerate((long_ago, LIVE), start=1):
        workspace.release_log(job).append(
            "released",
            generation=f"{token}-0000",
            partition=night,
            token=token,
            inputs="a",
            who="a test",
            why="a test",
            header={"basis": "as_corrected"},
        )
    assert grade_closed(workspace, job, "feedback")["skipped"] == {NOT_KEPT: [LIVE]}
    assert grade_closed(workspace, job, "feedback", partition=long_ago)["skipped"] == {NOT_KEPT: [long_ago]}


def test_gradings_of_long_ago_are_not_read(workspace: Workspace, job: Job) -> None:
    workspace.lake.replace_json(f"jobs/{job.name}/monitoring/graded/2022-12-31.json", {"damaged": True})
    assert grade_closed(workspace, job, "feedback")["graded"] == []


def test_one_night_may_be_asked_for(nights: Served) -> None:
    assert list_graded(grade(nights, NEXT)) == [NEXT]
    assert grade(nights, NEXT)["skipped"] == {UP_TO_DATE: [NEXT]}
    assert grade(nights, "2024-02-28")["skipped"] == {NOT_SERVED: ["2024-02-28"]}
    with pytest.raises(BadInputError, match="not a date"):
        grade(nights, "yesterday")


def test_what_retention_has_removed_is_said_and_does_not_hold_up_the_rest(nights: Served) -> None:
    nights.workspace.outputs(nights.job).remove(SCORE_STAGE, nights.first["score"]["output"])
    summary = grade(nights)
    assert list_graded(summary) == list(NIGHTS[1:3])
    assert summary["skipped"] == {NOT_KEPT: [LIVE]}


def test_what_is_damaged_fails_after_the_rest_was_graded(nights: Served) -> None:
    folder = f"stages/{nights.job.name}/{SCORE_STAGE}/{nights.first['score']['output']}"
    name = next(name for name in nights.workspace.lake.list(folder) if name.endswith(".parquet"))
    nights.workspace.lake.replace(f"{folder}/{name}", b"damaged")
    with pytest.raises(DamagedError):
        grade(nights)
    assert [night.partition for night in nights.workspace.monitoring(nights.job).graded()] == list(NIGHTS[1:3])


def test_what_nobody_foresaw_of_one_night_fails_after_the_rest_was_graded(nights: Served) -> None:
    workspace, job = nights.workspace, nights.job
    path = f"jobs/{job.name}/releases/{nights.first['publish']['generation']}.json"
    manifest = workspace.lake.read_json(path)
    workspace.lake.replace_json(path, {name: manifest[name] for name in manifest if name != "scores"})
    with pytest.raises(UnforeseenError, match="KeyError") as error:
        grade(nights)
    assert error.value.partition == LIVE
    assert [night.partition for night in workspace.monitoring(job).graded()] == list(NIGHTS[1:3])


def test_a_retry_asks_for_the_training_that_its_first_attempt_had_reason_for(nights: Served) -> None:
    grade(nights)
    log_alarm(nights.workspace.monitoring(nights.job), NIGHTS[1], signal="accuracy.primary", run="feedback")
    summary = grade(nights)
    assert (summary["graded"], summary["raised"]) == ([], ["accuracy.primary"])
    assert "accuracy.primary was beyond its limit" in str(summary["ask"])


def test_what_was_graded_and_not_judged_is_judged_by_the_next_run(nights: Served) -> None:
    """An attempt that was killed in between has left the records and no alarm."""
    grade(nights)
    for night in NIGHTS[1:3]:
        signals = (make_signal("x", "accuracy.primary"),)
        nights.workspace.monitoring(nights.job).write_graded(
            read(nights, night).model_copy(update={"signals": signals})
        )
    summary = grade(nights)
    assert (summary["graded"], summary["raised"]) == ([], ["accuracy.primary"])


def test_what_was_rolled_back_is_not_what_was_served(nights: Served) -> None:
    grade(nights)
    land_again(nights.workspace, "meters", NIGHTS[2], lambda table: table.slice(1))
    again = run_night(nights.workspace, nights.job, NIGHTS[2], "again")["publish"]["generation"]
    assert list_graded(grade(nights)) == [NIGHTS[2]]
    assert (read(nights, NIGHTS[2]).generation, read(nights, NIGHTS[2]).scored) == (again, METERS - 1)
    live_before = tasks.choose_rollback(nights.workspace, nights.job, to=None, with_model=False)
    tasks.roll_back(nights.workspace, nights.job, live_before, with_model=False, who="Jane Doe", why="a meter is gone")
    assert list_graded(grade(nights)) == [NIGHTS[2]]
    assert (read(nights, NIGHTS[2]).generation, read(nights, NIGHTS[2]).gradings) == (live_before, 3)


def test_an_erased_entity_is_graded_no_more(served: Served) -> None:
    entity = next(iter(served.predictions))
    tasks.erase_entity(served.workspace, served.job, entity, who="Jane Doe", why="asked to be forgotten")
    assert list_graded(grade(served)) == [LIVE]
    assert read(served).scored == METERS - 1


def test_an_erasure_alone_asks_for_no_other_grading(served: Served) -> None:
    grade(served)
    entity = next(iter(served.predictions))
    tasks.erase_entity(served.workspace, served.job, entity, who="Jane Doe", why="asked to be forgotten")
    assert grade(served)["graded"] == []


def test_redis_is_not_asked(nights: Served, clock: Clock) -> None:
    workspace = open_workspace(make_settings(nights.workspace.settings.home, NO_REDIS), clock)
    assert list_graded(grade_closed(workspace, nights.job, "feedback")) == list(NIGHTS[:3])


def test_segments_are_those_of_the_night_s_population(served: Served) -> None:
    training = served.job.training.model_copy(update={"gate": PromotionGate(min_segment=50)})
    job = served.job.model_copy(update={"segments": ("region",), "training": training})
    grade_closed(served.workspace, job, "feedback")
    night = read(served)
    assert [grade.segment for grade in night.segments] == ["region=north", "region=south", "region=Ōtautahi"]
    assert sum(grade.rows for grade in night.segments) == night.labelled
    assert all(grade.metrics["rmse"] > 0 for grade in night.segments)


def observe(served: Served, generation: str, estimated: float) -> None:
    """What the watch of the night has written down."""
    night = make_observed(LIVE, estimate=Estimate(metrics={"rmse": estimated}), generation=generation)
    served.workspace.monitoring(served.job).write_observed(night)


def test_the_estimate_of_the_evening_is_held_against_what_came(served: Served) -> None:
    generation = served.first["publish"]["generation"]
    observe(served, generation, 1.0)
    (described,) = grade(served)["graded"]
    night = read(served)
    assert night.estimated == {"rmse": 1.0}
    assert described["gap"] == pytest.approx(night.metrics["rmse"] - 1.0)
    assert {signal.name: signal.value for signal in night.signals}[CONCEPT] == described["gap"]


def test_the_estimate_of_another_release_says_nothing(served: Served) -> None:
    observe(served, "99-ffff", 1.0)
    (described,) = grade(served)["graded"]
    assert (described["estimated"], described["gap"]) == (None, None)
    assert described["muted"][CONCEPT] == "nothing was estimated before the labels came"
    assert described["muted"][PRIMARY].startswith("0 of the")
