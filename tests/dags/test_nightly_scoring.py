"""The nightly DAG: its stages, its schedule, and that every way to order a run gives the day that was asked for."""

from __future__ import annotations

import importlib
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from pipeline.errors import RefusedError
from tests.dags.jobs.tide_levels import JOB as TIDE_LEVELS
from tests.dags.scheduler import Scheduler, at_midnight

STAGES = [
    "resolve_partition",
    "wait_for_deliveries",
    "ingest",
    "validate",
    "build_features",
    "score",
    "publish",
    "watch",
    "ask_for_training",
]
ENDED = "nightly_scoring_ice_levels"
GOES_ON = "nightly_scoring_tide_levels"


def order_backfill(scheduler: Scheduler, first: str, last: str, **options: Any) -> None:
    """What the backfill form of the UI sends."""
    body = {"dag_id": ENDED, "from_date": at_midnight(first), "to_date": at_midnight(last), **options}
    answer = scheduler.rest.post("/api/v2/backfills", json=body)
    assert answer.status_code == 200, answer.text
    scheduler.end_backfills()


def trigger(scheduler: Scheduler, dag_id: str = ENDED, **body: Any) -> Any:
    """What the trigger form of the UI sends; the answer."""
    return scheduler.rest.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, **body})


def resolve_all(scheduler: Scheduler, dag_id: str = ENDED) -> list[str | None]:
    """The partition of each run, in the order in which they were made; None where resolving failed."""
    return [scheduler.run_task(run, "resolve_partition")[1] for run in scheduler.list_runs(dag_id)]


def test_the_stages_form_one_line(dags: dict[str, Any]) -> None:
    dag = dags[ENDED]
    assert [task.task_id for task in dag.topological_sort()] == STAGES
    for before, after in pairwise(STAGES):
        assert dag.get_task(after).upstream_task_ids == {before}


def test_the_page_in_the_ui_says_what_an_operator_needs(dags: dict[str, Any]) -> None:
    for dag_id in (ENDED, GOES_ON):
        for words in ("What runs", "When", "Who is called", "Backfill", "UI:", "CLI:", "REST:"):
            assert words in dags[dag_id].doc_md


def test_tags_owner_and_description_come_from_the_job(dags: dict[str, Any]) -> None:
    dag = dags[ENDED]
    assert dag.tags == {"nightjar", "ice_levels", "nightly_scoring"}
    assert {task.owner for task in dag.tasks} == {"Harbour office"}
    assert dag.owner_links == {"Harbour office": "mailto:harbour@example.org"}
    assert dag.description == "The job ice_levels of the tests."


def test_every_task_says_what_it_does_and_has_a_time_limit(dags: dict[str, Any]) -> None:
    for task in dags[ENDED].tasks:
        assert task.doc_md
        assert task.execution_timeout


def test_the_sensor_frees_its_slot_and_outlasts_the_deadline(dags: dict[str, Any]) -> None:
    """Of a job in New York, closed at 06:00 UTC in winter, that waits two hours more."""
    sensor = dags[GOES_ON].get_task("wait_for_deliveries")
    assert sensor.mode == "reschedule"
    assert timedelta(hours=8) < timedelta(seconds=sensor.timeout) <= timedelta(hours=9)


def test_a_job_that_goes_on_is_due_for_the_day_that_has_ended(scheduler: Scheduler) -> None:
    due = scheduler.find_dag(GOES_ON).next_dagrun_info(last_automated_run_info=None)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert due.data_interval.start.date() == yesterday


def test_a_job_that_has_ended_is_never_due(scheduler: Scheduler) -> None:
    """Else unpausing it would run yesterday, of which upstream has nothing."""
    dag = scheduler.find_dag(ENDED)
    assert dag.next_dagrun_info(last_automated_run_info=None) is None
    (last_day,) = dag.iter_dagrun_infos_between(datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 3, 31, tzinfo=UTC))
    assert dag.next_dagrun_info(last_automated_run_info=last_day) is None


def test_unpausing_a_job_that_has_ended_runs_nothing(scheduler: Scheduler) -> None:
    answer = scheduler.rest.patch(f"/api/v2/dags/{ENDED}", json={"is_paused": False})
    assert answer.status_code == 200, answer.text
    scheduler.schedule_due_runs()
    assert scheduler.list_runs(ENDED) == []


def test_unpausing_a_job_that_goes_on_runs_the_day_that_has_ended(scheduler: Scheduler) -> None:
    scheduler.rest.patch(f"/api/v2/dags/{GOES_ON}", json={"is_paused": False})
    scheduler.schedule_due_runs()
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert resolve_all(scheduler, GOES_ON) == [yesterday.isoformat()]


def test_backfill_from_rest_and_ui_makes_the_days_asked_for(scheduler: Scheduler) -> None:
    order_backfill(scheduler, "2024-02-12", "2024-02-14")
    assert resolve_all(scheduler) == ["2024-02-12", "2024-02-13", "2024-02-14"]


@pytest.mark.parametrize("first", ["2024-02-12", "2024-02-12T00:00:00+00:00"])
def test_backfill_from_the_command_line_makes_the_days_asked_for(scheduler: Scheduler, first: str) -> None:
    scheduler.run_command("backfill", "create", "--dag-id", ENDED, "--from-date", first, "--to-date", "2024-02-14")
    assert resolve_all(scheduler) == ["2024-02-12", "2024-02-13", "2024-02-14"]


def test_backfill_backwards_makes_the_same_days(scheduler: Scheduler) -> None:
    order_backfill(scheduler, "2024-02-12", "2024-02-14", run_backwards=True)
    assert resolve_all(scheduler) == ["2024-02-14", "2024-02-13", "2024-02-12"]


def test_backfill_again_makes_the_same_days_in_the_same_runs(scheduler: Scheduler) -> None:
    order_backfill(scheduler, "2024-02-12", "2024-02-13")
    scheduler.end_runs(ENDED)
    order_backfill(scheduler, "2024-02-12", "2024-02-14", reprocess_behavior="completed")
    assert resolve_all(scheduler) == ["2024-02-12", "2024-02-13", "2024-02-14"]


def test_backfill_of_one_day_over_a_summer_time_change(scheduler: Scheduler) -> None:
    order_backfill(scheduler, "2024-03-10", "2024-03-10")
    order_backfill(scheduler, "2024-03-31", "2024-03-31")
    assert resolve_all(scheduler) == ["2024-03-10", "2024-03-31"]


def test_backfill_of_days_that_upstream_does_not_cover_is_refused(scheduler: Scheduler) -> None:
    order_backfill(scheduler, "2023-12-31", "2024-01-01")
    order_backfill(scheduler, "2024-03-31", "2024-04-01")
    assert resolve_all(scheduler) == [None, "2024-01-01", "2024-03-31", None]


def test_a_param_in_a_backfill_does_not_turn_its_days_into_one(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    order_backfill(scheduler, "2024-02-12", "2024-02-13", dag_run_conf={"partition": "2024-02-13"})
    assert resolve_all(scheduler) == [None, "2024-02-13"]
    assert "another day than the backfill was asked for" in caplog.text


def test_a_backfill_that_takes_over_a_triggered_run_does_not_score_another_day(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow gave that run the day before; a backfill finds it by its logical date and would keep its interval."""
    trigger(scheduler, logical_date=at_midnight("2024-02-12"))
    assert resolve_all(scheduler) == ["2024-02-11"]
    scheduler.end_runs(ENDED)
    order_backfill(scheduler, "2024-02-12", "2024-02-12", reprocess_behavior="completed")
    assert resolve_all(scheduler) == [None]
    assert "delete this run and backfill the day again" in caplog.text


def test_triggering_with_the_param_works_on_that_day(scheduler: Scheduler) -> None:
    trigger(scheduler, GOES_ON, conf={"partition": "2024-02-12"})
    trigger(scheduler, GOES_ON, conf={"partition": "2024-02-12"}, logical_date="2026-01-01T12:34:56Z")
    assert resolve_all(scheduler, GOES_ON) == ["2024-02-12", "2024-02-12"]


def test_triggering_after_the_end_of_the_data_is_not_silent(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """The UI's form proposes the present as logical date; past a DAG's end Airflow makes a run without tasks of it."""
    trigger(scheduler, conf={"partition": "2024-02-12"}, logical_date="2026-01-01T12:34:56Z")
    (run,) = scheduler.list_runs(ENDED)
    assert scheduler.end_run(run) == "success"
    assert "it had no task to run" in caplog.text
    assert "clear the form's logical date" in caplog.text


def test_triggering_without_a_param_or_a_date_says_to_give_one(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    assert trigger(scheduler).status_code == 200
    assert resolve_all(scheduler) == [None]
    assert "give the partition" in caplog.text


def test_triggering_from_the_command_line_with_an_old_date_does_not_score_yesterday(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """That command gives the run the newest data interval, whatever its logical date."""
    scheduler.run_command("dags", "trigger", GOES_ON, "--logical-date", "2024-02-12")
    assert resolve_all(scheduler, GOES_ON) == [None]
    assert "a later day than its logical date" in caplog.text


@pytest.mark.parametrize("hour", [5, 7])
def test_a_run_of_another_day_is_refused_for_that_whether_or_not_its_day_has_closed(hour: int) -> None:
    """New York's partition closes at 06:00 UTC in winter; "run it after the cutoff" would be a wrong answer before."""
    partitions = importlib.import_module("nightjar_dags.partitions")
    midnight = datetime(2024, 3, 2, tzinfo=UTC)
    day = midnight - timedelta(days=1)
    request = partitions.Request("manual", None, day, midnight, logical_day=date(2024, 2, 12))
    with pytest.raises(RefusedError, match="a later day than its logical date"):
        partitions.resolve_scored_partition(TIDE_LEVELS, request, midnight + timedelta(hours=hour))


@pytest.mark.parametrize("partition", ["yesterday", "2024-02-30", "12.02.2024", 20240212, ["2024-02-12"]])
def test_a_param_that_is_no_date_is_refused_by_the_form(scheduler: Scheduler, partition: Any) -> None:
    answer = trigger(scheduler, conf={"partition": partition})
    assert answer.status_code == 400
    assert scheduler.list_runs(ENDED) == []


def test_asking_for_an_open_partition_is_refused(scheduler: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    today = datetime.now(UTC).date().isoformat()
    trigger(scheduler, GOES_ON, conf={"partition": today})
    assert resolve_all(scheduler, GOES_ON) == [None]
    assert "still open" in caplog.text
