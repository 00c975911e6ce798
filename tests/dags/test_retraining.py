"""The retraining DAG: its stages, its schedule, and which partition is the last that a training may know."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.dags.scheduler import Scheduler, at_midnight

STAGES = ["resolve_partition", "settle_shadow", "snapshot", "train", "evaluate", "prove", "promote"]
ENDED = "retraining_ice_levels"
GOES_ON = "retraining_tide_levels"


def trigger(scheduler: Scheduler, dag_id: str = ENDED, **body: Any) -> None:
    answer = scheduler.rest.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, **body})
    assert answer.status_code == 200, answer.text


def order_backfill(scheduler: Scheduler, first: str, last: str, **options: Any) -> None:
    body = {"dag_id": ENDED, "from_date": at_midnight(first), "to_date": at_midnight(last), **options}
    answer = scheduler.rest.post("/api/v2/backfills", json=body)
    assert answer.status_code == 200, answer.text
    scheduler.end_backfills()


def resolve_all(scheduler: Scheduler, dag_id: str = ENDED) -> list[str | None]:
    """The partition of each run, in the order in which they were made; None where resolving failed."""
    return [scheduler.run_task(run, "resolve_partition")[1] for run in scheduler.list_runs(dag_id)]


def test_the_stages_form_one_line(dags: dict[str, Any]) -> None:
    dag = dags[ENDED]
    assert [task.task_id for task in dag.topological_sort()] == STAGES
    for before, after in pairwise(STAGES):
        assert dag.get_task(after).upstream_task_ids == {before}


def test_the_page_in_the_ui_says_what_an_operator_needs(dags: dict[str, Any]) -> None:
    for words in ("What runs", "When", "Who is called", "Backfill", "UI:", "CLI:", "REST:"):
        assert words in dags[ENDED].doc_md


def test_tags_and_owner_come_from_the_job(dags: dict[str, Any]) -> None:
    dag = dags[ENDED]
    assert dag.tags == {"nightjar", "ice_levels", "retraining"}
    assert {task.owner for task in dag.tasks} == {"Harbour office"}


def test_a_training_may_take_longer_than_a_stage(dags: dict[str, Any]) -> None:
    dag = dags[ENDED]
    assert dag.get_task("train").execution_timeout > dag.get_task("evaluate").execution_timeout


def test_a_job_that_has_ended_is_never_due(scheduler: Scheduler) -> None:
    assert scheduler.find_dag(ENDED).next_dagrun_info(last_automated_run_info=None) is None


def test_a_scheduled_training_knows_what_was_closed_when_it_was_due(scheduler: Scheduler) -> None:
    """The job is of New York and closes at 05:00 or 06:00 UTC, so by Monday 06:00 UTC Sunday has closed."""
    scheduler.rest.patch(f"/api/v2/dags/{GOES_ON}", json={"is_paused": False})
    scheduler.schedule_due_runs()
    (run,) = scheduler.list_runs(GOES_ON)
    assert run.data_interval_end is not None
    assert run.data_interval_end.weekday() == 0
    assert resolve_all(scheduler, GOES_ON) == [(run.data_interval_end.date() - timedelta(days=1)).isoformat()]


def test_a_backfill_trains_once_for_each_time_it_was_due(scheduler: Scheduler) -> None:
    """Mondays, each for the week after it: known is what had closed a week later, but nothing after the last day."""
    order_backfill(scheduler, "2024-03-11", "2024-03-31")
    assert resolve_all(scheduler) == ["2024-03-17", "2024-03-24", "2024-03-31"]


@pytest.mark.parametrize("conf", [{"partition": "2024-03-05"}, {}], ids=["its param", "its interval"])
def test_a_backfill_that_takes_over_a_triggered_run_does_not_train_as_of_another_day(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture, conf: dict[str, str]
) -> None:
    """A backfill finds that run by its logical date, and would keep what it was triggered with."""
    trigger(scheduler, logical_date="2024-03-11T06:00:00Z", conf=conf)
    (before,) = resolve_all(scheduler)
    assert before == conf.get("partition", "2024-03-10")
    scheduler.end_runs(ENDED)
    order_backfill(scheduler, "2024-03-11", "2024-03-11", reprocess_behavior="completed")
    assert resolve_all(scheduler) == [None]
    assert "delete this run and backfill the day again" in caplog.text


def test_a_param_in_a_backfill_does_not_turn_its_trainings_into_one(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    order_backfill(scheduler, "2024-03-11", "2024-03-18", dag_run_conf={"partition": "2024-03-10"})
    assert resolve_all(scheduler) == [None, None]
    assert "another day than the backfill was asked for" in caplog.text


def test_triggering_with_the_param_takes_that_partition(scheduler: Scheduler) -> None:
    trigger(scheduler, conf={"partition": "2024-03-30"})
    assert resolve_all(scheduler) == ["2024-03-30"]


def test_triggering_with_the_present_as_logical_date_takes_the_newest(scheduler: Scheduler) -> None:
    """That is what the UI's form proposes."""
    trigger(scheduler, GOES_ON, logical_date=datetime.now(UTC).isoformat())
    (partition,) = resolve_all(scheduler, GOES_ON)
    assert partition is not None
    assert timedelta(days=1) <= datetime.now(UTC).date() - date.fromisoformat(partition) <= timedelta(days=8)


def test_triggering_without_a_param_or_a_date_says_to_give_one(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    trigger(scheduler)
    assert resolve_all(scheduler) == [None]
    assert "give the partition" in caplog.text


def test_triggering_from_the_command_line_with_an_old_date_does_not_train_on_later_days(
    scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """That command gives the run the newest data interval, whatever its logical date."""
    scheduler.run_command("dags", "trigger", GOES_ON, "--logical-date", "2024-02-12")
    assert resolve_all(scheduler, GOES_ON) == [None]
    assert "a later day than its logical date" in caplog.text


def test_asking_for_an_open_partition_is_refused(scheduler: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    trigger(scheduler, GOES_ON, conf={"partition": datetime.now(UTC).date().isoformat()})
    assert resolve_all(scheduler, GOES_ON) == [None]
    assert "still open" in caplog.text
