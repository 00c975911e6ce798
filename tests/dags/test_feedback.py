"""The feedback DAG: what it grades when, and when it asks for a training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import tasks
from pipeline.alerts.runbooks import RUNBOOKS
from pipeline.settings import Settings
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.scoring import SCORE_STAGE
from tests.dags.jobs.rides import JOB
from tests.dags.scheduler import Scheduler, at_midnight
from tests.dags.test_whole_runs import landed, trained, use_home
from tests.monitoring_records import log_alarm
from tests.stores.predictions.conftest import server, shared_server

__all__ = ["landed", "server", "shared_server", "trained", "use_home"]

FEEDBACK = "feedback_rides"
RETRAINING = "retraining_rides"
NIGHTS = ("2024-05-11", "2024-05-12", "2024-05-13")


@pytest.fixture
def nights(use_home: Callable[[Path], None], trained: Path) -> tasks.Workspace:
    """Three nights were served; the labels of all of them are there."""
    use_home(trained)
    workspace = tasks.open_workspace(Settings.from_environment())
    for night in NIGHTS:
        ingested = tasks.ingest(workspace, JOB, night, "night")
        validated = tasks.validate(workspace, JOB, night, "night", ingested)
        built = tasks.build_features(workspace, JOB, night, "night", validated)
        scored = tasks.score(workspace, JOB, night, "night", built)
        tasks.publish(workspace, JOB, night, "night", scored)
    return workspace


def list_graded(workspace: tasks.Workspace) -> list[str]:
    return [night.partition for night in workspace.monitoring(JOB).graded()]


def damage_scores(workspace: tasks.Workspace, night: str) -> None:
    """Every shard of what was served of a night is another file."""
    (served,) = [release for release in workspace.release_log(JOB).events() if release.partition == night]
    address = read_manifest(workspace, JOB, served.generation)["scores"]["address"]
    folder = f"stages/{JOB.name}/{SCORE_STAGE}/{address}"
    for name in workspace.lake.list(folder):
        if name.endswith(".parquet"):
            workspace.lake.replace(f"{folder}/{name}", b"damaged")


def trigger(scheduler: Scheduler, **conf: str) -> Any:
    body = {"logical_date": None, "conf": conf}
    assert scheduler.rest.post(f"/api/v2/dags/{FEEDBACK}/dagRuns", json=body).status_code == 200
    return scheduler.list_runs(FEEDBACK)[-1]


def list_events(scheduler: Scheduler) -> list[dict[str, Any]]:
    """What asked for a training."""
    events: list[dict[str, Any]] = scheduler.rest.get("/api/v2/assets/events").json()["asset_events"]
    return [event["extra"] for event in events if event["uri"] == "nightjar://rides/retrain"]


def test_it_grades_and_then_asks(dags: dict[str, Any]) -> None:
    dag = dags[FEEDBACK]
    assert [task.task_id for task in dag.topological_sort()] == ["grade", "ask_for_training"]
    assert dag.get_task("ask_for_training").upstream_task_ids == {"grade"}
    assert [outlet.uri for outlet in dag.get_task("ask_for_training").outlets] == ["nightjar://rides/retrain"]
    assert dag.get_task("ask_for_training").is_teardown
    assert dag.tags == {"nightjar", "rides", "feedback"}
    assert {task.owner for task in dag.tasks} == {"Bicycle hire"}


def test_the_page_in_the_ui_says_what_an_operator_needs(dags: dict[str, Any]) -> None:
    for words in ("What runs", "When", "Who is called", "Backfill", "UI:", "CLI:", "REST:"):
        assert words in dags[FEEDBACK].doc_md


@pytest.mark.parametrize(("job", "hour"), [("tide_levels", 9), ("rides", 3), ("rides_tokyo", 1)])
def test_it_is_due_daily_once_the_night_has_run_or_given_up(scheduler: Scheduler, job: str, hour: int) -> None:
    """By UTC: in New York closed at 06:00 in winter and two hours of patience, in Tokyo long before midnight."""
    assert scheduler.find_dag(f"feedback_{job}").timetable.serialize()["expression"] == f"0 {hour} * * *"


def test_a_run_by_hand_grades_all_that_is_due_and_asks_for_nothing(
    scheduler: Scheduler, nights: tasks.Workspace
) -> None:
    run = scheduler.dags[FEEDBACK].test(logical_date=None)
    assert run.state == "success"
    assert list_graded(nights) == list(NIGHTS)
    assert scheduler.dags[FEEDBACK].test(logical_date=None).state == "success"
    assert {night.gradings for night in nights.monitoring(JOB).graded()} == {1}
    assert list_events(scheduler) == []


def test_the_param_names_one_night(scheduler: Scheduler, nights: tasks.Workspace) -> None:
    assert scheduler.run_task(trigger(scheduler, partition=NIGHTS[1]), "grade")[0] == "success"
    assert list_graded(nights) == [NIGHTS[1]]


def test_a_backfill_grades_the_nights_that_it_names(scheduler: Scheduler, nights: tasks.Workspace) -> None:
    body = {"dag_id": FEEDBACK, "from_date": at_midnight(NIGHTS[1]), "to_date": at_midnight(NIGHTS[2])}
    assert scheduler.rest.post("/api/v2/backfills", json=body).status_code == 200
    scheduler.end_backfills()
    graded = [scheduler.run_task(run, "grade")[1]["graded"] for run in scheduler.list_runs(FEEDBACK)]
    assert [[night["partition"] for night in of_run] for of_run in graded] == [[NIGHTS[1]], [NIGHTS[2]]]
    assert list_graded(nights) == [NIGHTS[1], NIGHTS[2]]


def test_what_was_raised_before_a_damaged_night_is_told_and_asked_for(
    scheduler: Scheduler, nights: tasks.Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    """Else one night that is damaged for good keeps every alarm from its owner, and every training from the job."""
    run = trigger(scheduler)
    facts = {"signal": "accuracy.primary", "severity": "critical", "at": nights.clock().isoformat()}
    log_alarm(nights.monitoring(JOB), NIGHTS[0], run=run.run_id, **facts)
    damage_scores(nights, NIGHTS[1])
    assert scheduler.run_task(run, "grade")[0] == "failed"
    assert list_graded(nights) == [NIGHTS[0], NIGHTS[2]]
    assert "task=grade" in caplog.text
    assert RUNBOOKS["accuracy.primary"].meaning in caplog.text
    assert scheduler.run_task(run, "ask_for_training")[0] == "success"
    why = f"accuracy.primary was beyond its limit on several nights since {NIGHTS[0]}"
    assert list_events(scheduler) == [{"partition": "2024-05-12", "why": why}]
    assert scheduler.end_run(run) == "failed"


@pytest.mark.parametrize("ask", [None, "accuracy.primary was beyond its limit on 2 of 3 nights"])
def test_a_training_is_asked_for_with_the_reason_and_the_day_that_is_known(
    scheduler: Scheduler,
    use_home: Callable[[Path], None],
    landed: Path,
    monkeypatch: pytest.MonkeyPatch,
    ask: str | None,
) -> None:
    def grade_closed(*_: Any, **__: Any) -> dict[str, Any]:
        return {"partition": "2024-05-10", "graded": [], "skipped": {}, "ask": ask}

    use_home(landed)
    monkeypatch.setattr("pipeline.tasks.grade_closed", grade_closed)
    scheduler.rest.patch(f"/api/v2/dags/{RETRAINING}", json={"is_paused": False})
    run = trigger(scheduler)
    assert scheduler.run_task(run, "grade")[0] == "success"
    assert scheduler.run_task(run, "ask_for_training")[0] == ("skipped" if ask is None else "success")
    assert list_events(scheduler) == ([] if ask is None else [{"partition": "2024-05-10", "why": ask}])
    scheduler.schedule_due_runs()
    asked = [run for run in scheduler.list_runs(RETRAINING) if run.run_type == "asset_triggered"]
    assert len(asked) == (0 if ask is None else 1)
    for each in asked:
        assert scheduler.run_task(each, "resolve_partition") == ("success", "2024-05-10")
