"""Retries by kind of error, and how long a night may wait."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from airflow.sdk import RetryAction

from nightjar_dags.defaults import after_nights, longest_wait
from pipeline import errors
from tests.dags.jobs.declaring import declare_job
from tests.dags.scheduler import Scheduler

DAG_ID = "nightly_scoring_ice_levels"


@pytest.mark.parametrize(
    "error",
    [
        errors.BadInputError("a column is missing"),
        errors.DeclarationError("no such job"),
        errors.NotReadyError("no delivery"),
        errors.DamagedError("digests differ"),
        errors.RefusedError("older than what is live"),
        TypeError("a fault in the code"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_retry_would_find_again_fails_at_once(dags: dict[str, Any], error: Exception) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            assert task.retry_policy.evaluate(error, try_number=1, max_tries=3).action is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [errors.UnavailableError("Redis does not answer"), ConnectionResetError(), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
def test_what_may_heal_is_tried_again(dags: dict[str, Any], error: Exception) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            assert task.retry_policy.evaluate(error, try_number=1, max_tries=3).action is RetryAction.RETRY
            # Whoever is asked for an approval is asked once, and a shadow is not worth a second try.
            assert task.retries == (0 if task.task_id in ("ask_for_approval", "score_shadows") else 3)


def test_what_nobody_foresaw_is_tried_again(dags: dict[str, Any]) -> None:
    task = dags[DAG_ID].get_task("ingest")
    assert task.retry_policy.evaluate(OSError(28, "no space"), try_number=1, max_tries=3).action is RetryAction.DEFAULT


def test_pauses_between_retries_grow_up_to_a_limit(scheduler: Scheduler) -> None:
    task = scheduler.find_dag(DAG_ID).get_task("ingest")
    assert task.retry_delay == timedelta(seconds=30)
    assert task.retry_exponential_backoff == 2
    assert task.max_retry_delay == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (errors.BadInputError("a column is missing"), "failed"),
        (errors.UnavailableError("the lake does not answer"), "up_for_retry"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_worker_follows_the_policy(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, error: Exception, state: str
) -> None:
    def fail(*_arguments: Any) -> None:
        raise error

    monkeypatch.setattr("pipeline.tasks.deliveries_ready", fail)
    scheduler.rest.post(
        f"/api/v2/dags/{DAG_ID}/dagRuns", json={"logical_date": None, "conf": {"partition": "2024-02-12"}}
    )
    (run,) = scheduler.list_runs(DAG_ID)
    scheduler.run_task(run, "resolve_partition")
    assert scheduler.run_task(run, "wait_for_deliveries")[0] == state


@pytest.mark.parametrize(
    ("timezone", "hours"),
    [
        # Closed an hour after midnight, two hours of patience, an hour more; the tick is at midnight UTC.
        ("UTC", 4),
        ("America/New_York", 9),
        ("Asia/Tokyo", 1),
    ],
)
def test_a_night_waits_until_the_deadline_in_the_timezone_of_its_job(timezone: str, hours: int) -> None:
    assert longest_wait(declare_job("tides", first_partition=date(2024, 1, 1), timezone=timezone)) == timedelta(
        hours=hours
    )


@pytest.mark.parametrize(("patience", "hour"), [(21, 23), (22, 1), (23, 1), (46, 1), (47, 1), (48, 2)])
def test_what_comes_after_the_nights_does_not_share_their_names(patience: int, hour: int) -> None:
    """A scheduled run is named by its time, and the nights begin at midnight."""
    job = declare_job("tides", first_partition=date(2024, 1, 1))
    job = job.model_copy(update={"patience": timedelta(hours=patience)})
    assert after_nights(job) == f"0 {hour} * * *"
