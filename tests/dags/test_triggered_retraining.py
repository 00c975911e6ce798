"""An event of the job's asset starts a training, unless the last one is too near."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dagrun import DagRun

from tests.dags.scheduler import Scheduler
from tests.dags.test_whole_runs import landed, trained, use_home
from tests.stores.predictions.conftest import server, shared_server

__all__ = ["landed", "server", "shared_server", "trained", "use_home"]

RETRAINING = "retraining_rides"


def send_event(scheduler: Scheduler, **extra: Any) -> DagRun:
    """What monitoring, or whoever else, sends; the run that the scheduler makes of it."""
    before = {run.run_id for run in scheduler.list_runs(RETRAINING)}
    scheduler.rest.patch(f"/api/v2/dags/{RETRAINING}", json={"is_paused": False})
    (asset,) = scheduler.rest.get("/api/v2/assets", params={"uri_pattern": "nightjar://rides/retrain"}).json()["assets"]
    answer = scheduler.rest.post("/api/v2/assets/events", json={"asset_id": asset["id"], "extra": extra})
    assert answer.status_code == 200, answer.text
    scheduler.schedule_due_runs()
    (run,) = [run for run in scheduler.list_runs(RETRAINING) if run.run_id not in before]
    assert run.run_type == "asset_triggered"
    return run


def test_the_run_trains_for_the_partition_of_the_event(
    scheduler: Scheduler, use_home: Callable[[Path], None], landed: Path
) -> None:
    use_home(landed)
    run = send_event(scheduler, partition="2024-05-10", why="drift of docks")
    assert scheduler.run_task(run, "resolve_partition") == ("success", "2024-05-10")
    assert scheduler.run_task(run, "settle_shadow") == ("success", "2024-05-10")
    assert scheduler.run_task(run, "snapshot")[0] == "success"


def test_without_one_it_trains_for_the_newest(
    scheduler: Scheduler, use_home: Callable[[Path], None], landed: Path
) -> None:
    use_home(landed)
    assert scheduler.run_task(send_event(scheduler), "resolve_partition") == ("success", "2024-05-31")


@pytest.mark.parametrize(
    ("partition", "state"), [("2024-05-09", "skipped"), ("2024-05-16", "skipped"), ("2024-05-17", "success")]
)
def test_within_the_cool_down_it_is_skipped_and_says_why(
    scheduler: Scheduler,
    use_home: Callable[[Path], None],
    trained: Path,
    caplog: pytest.LogCaptureFixture,
    partition: str,
    state: str,
) -> None:
    """The last training knew the partitions up to 2024-05-10; seven days is the default."""
    use_home(trained)
    caplog.set_level("INFO")
    run = send_event(scheduler, partition=partition, why="accuracy fell on 3 of 5 nights")
    assert scheduler.run_task(run, "resolve_partition")[0] == state
    assert "accuracy fell on 3 of 5 nights" in caplog.text
    assert ("the last training knew the partitions up to 2024-05-10" in caplog.text) == (state == "skipped")
    if state == "skipped":
        assert "success" in [scheduler.end_run(run) for _ in range(len(scheduler.dags[RETRAINING].tasks))]


def test_a_training_by_hand_knows_no_cool_down(
    scheduler: Scheduler, use_home: Callable[[Path], None], trained: Path
) -> None:
    use_home(trained)
    body = {"logical_date": None, "conf": {"partition": "2024-05-11"}}
    assert scheduler.rest.post(f"/api/v2/dags/{RETRAINING}/dagRuns", json=body).status_code == 200
    (run,) = scheduler.list_runs(RETRAINING)
    assert scheduler.run_task(run, "resolve_partition") == ("success", "2024-05-11")


def test_an_event_that_names_no_day_is_refused(
    scheduler: Scheduler, use_home: Callable[[Path], None], landed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use_home(landed)
    run = send_event(scheduler, partition="yesterday")
    assert scheduler.run_task(run, "resolve_partition")[0] == "failed"
    assert "the partition is not a date" in caplog.text
