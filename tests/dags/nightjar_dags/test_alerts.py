"""A job's owner is told of a task that failed, once, with all that the error says and no row of data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from nightjar_dags.alerts import AlertOwner, TellAlarms, describe_failure
from pipeline.errors import DamagedError
from pipeline.settings import Settings
from pipeline.tasks import open_workspace
from tests.dags.jobs.ice_levels import JOB as ICE_LEVELS
from tests.dags.scheduler import Scheduler
from tests.monitoring_records import log_alarm
from tests.webhook import Webhook

DAG_ID = "nightly_scoring_ice_levels"


@pytest.fixture
def posted(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was posted to the webhook, which is a real web server."""
    monkeypatch.setenv("NIGHTJAR_ALERT_WEBHOOK", webhook.address.get_secret_value())
    return webhook.received


def start_night(scheduler: Scheduler, partition: str) -> Any:
    """A run that knows its partition."""
    body = {"logical_date": None, "conf": {"partition": partition}}
    scheduler.rest.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=body)
    (run,) = scheduler.list_runs(DAG_ID)
    scheduler.run_task(run, "resolve_partition")
    return run


def test_a_night_without_deliveries_fails_at_once_and_tells_the_owner(
    scheduler: Scheduler, posted: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Of an old partition the deadline is long past, so the sensor does not wait."""
    run = start_night(scheduler, "2024-02-12")
    assert scheduler.run_task(run, "wait_for_deliveries")[0] == "failed"
    (alert,) = posted
    assert alert["job"] == "ice_levels"
    assert alert["partition"] == "2024-02-12"
    assert alert["task"] == "wait_for_deliveries"
    assert alert["owner"] == {"name": "Harbour office", "email": "harbour@example.org"}
    assert alert["error"]["error"] == "NotReadyError"
    assert "gauges" in alert["error"]["problem"]
    assert alert["error"]["next_step"]
    line = next(record.getMessage() for record in caplog.records if record.name == "pipeline.stores.alert_channels")
    for words in ("job=ice_levels", "partition=2024-02-12", "task=wait_for_deliveries", "harbour@example.org"):
        assert words in line
    assert "s3cret-token" not in caplog.text


def test_a_task_that_will_be_tried_again_tells_nobody(
    scheduler: Scheduler, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr("pipeline.tasks.deliveries_ready", fail)
    run = start_night(scheduler, "2024-02-12")
    assert scheduler.run_task(run, "wait_for_deliveries")[0] == "up_for_retry"
    assert posted == []


def test_an_unforeseen_error_is_told_without_its_message(
    scheduler: Scheduler, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message may quote a row.  The partition comes from the summary that the task was given."""

    def fail(*_arguments: Any) -> None:
        raise TypeError("cannot convert 'Jane Doe' to a number")

    monkeypatch.setattr("pipeline.tasks.deliveries_ready", lambda *_arguments: True)
    monkeypatch.setattr("pipeline.tasks.ingest", lambda *_, **__: {"stage": "ingest", "partition": "2024-02-12"})
    monkeypatch.setattr("pipeline.tasks.validate", fail)
    run = start_night(scheduler, "2024-02-12")
    for task_id, state in [("wait_for_deliveries", "success"), ("ingest", "success"), ("validate", "failed")]:
        assert scheduler.run_task(run, task_id)[0] == state
    (alert,) = posted
    assert alert["error"]["error"] == "TypeError"
    assert alert["partition"] == "2024-02-12"
    assert "Jane" not in json.dumps(alert)


def test_a_task_that_was_killed_is_told(posted: list[Any]) -> None:
    """Then the DAG processor calls: it knows no exception, and the arguments are still references."""
    task = SimpleNamespace(op_args=("ice_levels", object()), op_kwargs={})
    instance = SimpleNamespace(task_id="ingest", dag_id=DAG_ID, run_id="manual__1", try_number=2)
    AlertOwner(ICE_LEVELS)({"ti": instance, "task": task, "params": {"partition": None}})
    (alert,) = posted
    assert alert["error"]["error"] == "task ended from outside"
    assert alert["partition"] is None


@pytest.mark.parametrize("task_id", ["watch", "ask_for_training"])
def test_what_fails_after_the_release_wakes_nobody_and_waits_for_no_recovery(task_id: str) -> None:
    instance = SimpleNamespace(task_id=task_id, dag_id=DAG_ID, run_id="manual__1", try_number=2)
    context = {"ti": instance, "exception": DamagedError("a record is damaged", partition="2024-02-12")}
    alert = describe_failure(ICE_LEVELS, context, datetime(2024, 2, 13, tzinfo=UTC), "runbooks")
    assert (alert.severity, alert.partition, alert.releases) == ("warning", "2024-02-12", None)


def test_a_webhook_that_is_down_does_not_hide_the_failure(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NIGHTJAR_ALERT_WEBHOOK", "http://127.0.0.1:1/s3cret-token")
    run = start_night(scheduler, "2024-02-12")
    assert scheduler.run_task(run, "wait_for_deliveries")[0] == "failed"
    assert "alert not posted" in caplog.text
    assert "s3cret-token" not in caplog.text


def test_a_night_that_fails_again_in_the_same_way_is_told_once(scheduler: Scheduler, posted: list[Any]) -> None:
    """Cleared by a person, or run again beside the first."""
    for _ in range(2):
        body = {"logical_date": None, "conf": {"partition": "2024-02-12"}}
        scheduler.rest.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=body)
    for run in scheduler.list_runs(DAG_ID):
        scheduler.run_task(run, "resolve_partition")
        assert scheduler.run_task(run, "wait_for_deliveries")[0] == "failed"
        assert scheduler.run_task(run, "wait_for_deliveries")[0] == "failed"
    assert len(posted) == 1


def test_alarms_are_told_where_the_task_that_watches_succeeds(scheduler: Scheduler, posted: list[Any]) -> None:
    """Airflow calls a notifier as it calls any callback of a task."""
    workspace = open_workspace(Settings.from_environment())
    facts = {"signal": "outputs.mean", "since": "2024-02-11", "at": workspace.clock().isoformat(timespec="seconds")}
    log_alarm(workspace.monitoring(ICE_LEVELS), "2024-02-12", **facts)
    scheduler.dags[DAG_ID].get_task("resolve_partition").on_success_callback = [TellAlarms(ICE_LEVELS)]
    start_night(scheduler, "2024-02-13")
    (alert,) = posted
    assert (alert["signal"], alert["kind"], alert["since"]) == ("outputs.mean", "raised", "2024-02-11")
    TellAlarms(ICE_LEVELS)({})
    assert len(posted) == 1


def test_a_damaged_alert_is_told_of_by_the_task_that_watches(posted: list[Any]) -> None:
    workspace = open_workspace(Settings.from_environment())
    path = f"jobs/{ICE_LEVELS.name}/alerts/alarm-000007.json"
    workspace.lake.replace(path, b"")
    TellAlarms(ICE_LEVELS)({})
    (alert,) = posted
    assert workspace.lake.url(path) in alert["problem"]
    assert alert["next_step"].startswith("remove the file")
