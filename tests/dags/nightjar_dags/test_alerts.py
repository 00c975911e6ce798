"""A job's owner is told of a task that failed, once, with all that the error says and no row of data."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from nightjar_dags.alerts import AlertOwner
from pipeline.job import Owner
from tests.dags.scheduler import Scheduler

DAG_ID = "nightly_scoring_ice_levels"


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was posted to the webhook, which is a real web server."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("NIGHTJAR_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_address[1]}/s3cret-token")
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


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
    line = next(record.getMessage() for record in caplog.records if record.name == "nightjar_dags.alerts")
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
    AlertOwner("ice_levels", Owner(name="Harbour office", email="harbour@example.org"))(
        {"ti": instance, "task": task, "params": {"partition": None}}
    )
    (alert,) = posted
    assert alert["error"]["error"] == "task ended from outside"
    assert alert["partition"] is None


def test_a_webhook_that_is_down_does_not_hide_the_failure(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NIGHTJAR_ALERT_WEBHOOK", "http://127.0.0.1:1/s3cret-token")
    run = start_night(scheduler, "2024-02-12")
    assert scheduler.run_task(run, "wait_for_deliveries")[0] == "failed"
    assert "alert not posted" in caplog.text
    assert "s3cret-token" not in caplog.text
