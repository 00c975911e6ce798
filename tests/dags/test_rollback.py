"""The rollback DAG, on real Airflow: one click brings an earlier generation back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.serving import Reader
from tests.dags.jobs.rides import JOB
from tests.dags.scheduler import Scheduler
from tests.dags.test_whole_runs import landed, reader, run_nights, settings_of, trained, use_home
from tests.stores.predictions.conftest import server, shared_server

__all__ = ["landed", "reader", "server", "shared_server", "trained", "use_home"]

ROLLBACK = "rollback_rides"


@pytest.fixture
def nights(scheduler: Scheduler, use_home: Callable[[Path], None], trained: Path) -> list[str]:
    """Two nights were released; their generations."""
    use_home(trained)
    published = run_nights(scheduler, "2024-05-11", "2024-05-12")
    return [night["generation"] for night in published.values()]


def test_the_generation_before_is_live_again_and_the_log_names_who_asked(
    scheduler: Scheduler, nights: list[str], reader: Reader, tmp_path: Path
) -> None:
    answer = scheduler.rest.post(
        f"/api/v2/dags/{ROLLBACK}/dagRuns", json={"logical_date": None, "conf": {"why": "too many rides"}}
    )
    assert answer.status_code == 200, answer.text
    (run,) = scheduler.list_runs(ROLLBACK)
    assert scheduler.run_task(run, "choose_generation") == ("success", nights[0])
    state, done = scheduler.run_task(run, "roll_back")
    assert (state, done["rejected"]) == ("success", [nights[1]])
    assert scheduler.run_task(run, "roll_back")[1]["token"] == done["token"], "a retry does not go back one further"
    assert reader.status().header.generation == nights[0]
    event = tasks.open_workspace(settings_of(tmp_path / "home")).release_log(JOB).events()[-1]
    assert (event.kind, event.why, event.who) == ("rolled_back", "too many rides", run.triggering_user_name)


def test_what_was_rolled_back_comes_back_only_with_the_param(
    scheduler: Scheduler, nights: list[str], reader: Reader
) -> None:
    assert scheduler.dags[ROLLBACK].test(logical_date=None).state == "failed", "a reason is required"
    assert reader.status().header.generation == nights[1]
    done = scheduler.dags[ROLLBACK].test(logical_date=None, run_conf={"why": "too many rides"})
    assert done.state == "success"
    nightly = scheduler.dags["nightly_scoring_rides"]
    again = nightly.test(logical_date=None, run_conf={"partition": "2024-05-12"})
    assert again.state == "failed"
    assert reader.status().header.generation == nights[0]
    forced = nightly.test(logical_date=None, run_conf={"partition": "2024-05-12", "release_rejected": True})
    assert forced.state == "success"
    assert reader.status().header.partition == "2024-05-12"


def test_neither_a_backfill_as_known_then_nor_a_dry_run_goes_live(
    scheduler: Scheduler, nights: list[str], reader: Reader
) -> None:
    body = {"dag_id": "nightly_scoring_rides", "from_date": "2024-05-12T00:00:00Z", "to_date": "2024-05-12T00:00:00Z"}
    conf = {"basis": "as_known_then"}
    answer = scheduler.rest.post(
        "/api/v2/backfills", json={**body, "reprocess_behavior": "completed", "dag_run_conf": conf}
    )
    assert answer.status_code == 200, answer.text
    run = next(run for run in scheduler.list_runs("nightly_scoring_rides") if run.state == "queued")
    for stage in ("resolve_partition", "wait_for_deliveries", "ingest", "validate", "build_features", "score"):
        scheduler.run_task(run, stage)
    published = scheduler.run_task(run, "publish")[1]
    assert published["result"] == "kept"
    assert reader.status().header.generation == nights[1]
    assert reader.get("7", partition="2024-05-12").generation == nights[1]
    scheduler.end_backfills()
    night = scheduler.dags["nightly_scoring_rides"].test(
        logical_date=None, run_conf={"partition": "2024-05-13", "basis": "as_corrected", "dry_run": True}
    )
    assert night.state == "success"
    assert reader.status().header.generation == nights[1]
