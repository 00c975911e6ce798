"""Whole nights of jobs west and east of UTC, backfilled from the UI, over a night of 23 hours and over a leap day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import tasks
from pipeline.job import Job
from pipeline.serving import Reader
from pipeline.settings import Settings
from tests.dags.jobs.rides_new_york import JOB as NEW_YORK
from tests.dags.jobs.rides_tokyo import JOB as TOKYO
from tests.dags.scheduler import Scheduler
from tests.dags.test_backfills import as_the_form_sends
from tests.stores.predictions.conftest import server, shared_server
from tests.stores.predictions.server import RedisServer

__all__ = ["server", "shared_server"]

STAGES = ["resolve_partition", "wait_for_deliveries", "ingest", "validate", "build_features", "score", "publish"]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: RedisServer) -> Settings:
    """A home of the test's own, which the tasks find too."""
    monkeypatch.setenv("NIGHTJAR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NIGHTJAR_REDIS_URL", server.url)
    monkeypatch.setenv("NIGHTJAR_PARALLEL", "inline")
    return Settings.from_environment()


def prepare(settings: Settings, job: Job, first: str, last: str) -> None:
    """Land everything up to the last night, and train on what was known before the first of them."""
    workspace = tasks.open_workspace(settings)
    day = date.fromisoformat(first) - timedelta(days=1)
    tasks.land_upstream(workspace, job, job.first_partition, date.fromisoformat(last))
    summary = tasks.snapshot(workspace, job, day.isoformat(), "tests")
    for stage in (tasks.train, tasks.evaluate, tasks.promote):
        summary = stage(workspace, job, day.isoformat(), "tests", summary)


def backfill(scheduler: Scheduler, job: Job, first: str, last: str) -> dict[str, dict[str, Any]]:
    """Order the nights as the form of a browser in the job's zone does, and run all their tasks; by partition."""
    dag_id = f"nightly_scoring_{job.name}"
    body = {"dag_id": dag_id, **as_the_form_sends(first, last, job.timezone)}
    answer = scheduler.rest.post("/api/v2/backfills", json=body)
    assert answer.status_code == 200, answer.text
    nights = {}
    for run in scheduler.list_runs(dag_id):
        outcomes = {stage: scheduler.run_task(run, stage) for stage in STAGES}
        assert {state for state, _ in outcomes.values()} == {"success"}
        nights[outcomes["resolve_partition"][1]] = {stage: result for stage, (_, result) in outcomes.items()}
    scheduler.end_backfills()
    return nights


@pytest.mark.parametrize(
    ("job", "nights"),
    [
        # The cutoff is at 02:00, which is skipped in the night after the first: 03:00 is meant, 07:00 UTC.
        (
            NEW_YORK,
            {
                "2024-03-09": datetime(2024, 3, 10, 7, tzinfo=UTC),
                "2024-03-10": datetime(2024, 3, 11, 6, tzinfo=UTC),
                "2024-03-11": datetime(2024, 3, 12, 6, tzinfo=UTC),
            },
        ),
        (
            TOKYO,
            {
                "2024-02-28": datetime(2024, 2, 28, 17, tzinfo=UTC),
                "2024-02-29": datetime(2024, 2, 29, 17, tzinfo=UTC),
                "2024-03-01": datetime(2024, 3, 1, 17, tzinfo=UTC),
            },
        ),
    ],
    ids=["New York", "Tokyo"],
)
def test_three_nights_from_the_ui_are_those_nights(
    scheduler: Scheduler, settings: Settings, server: RedisServer, job: Job, nights: dict[str, datetime]
) -> None:
    first, *_, last = nights
    prepare(settings, job, first, last)
    done = backfill(scheduler, job, first, last)
    assert list(done) == list(nights)
    now = datetime.now(UTC)
    reader = Reader(server.url, job.name, clock=lambda: now)
    for night, cutoff in nights.items():
        answer = reader.get("7", partition=night)
        assert (answer.partition, now - answer.age) == (night, cutoff)
        accounting = done[night]["publish"]["accounting"]
        assert accounting["received"] == accounting["scored"] == accounting["read_back"] == 60
        assert done[night]["validate"]["sources"]["rides"]["quarantined"] == 0, (
            "counted in the evening, before the cutoff"
        )
    assert reader.get("7").partition == last
    reader.close()
