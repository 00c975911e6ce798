"""A challenger on its shadow nights scores beside the night's publication, and cannot fail the night."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import update

from pipeline import tasks
from pipeline.stores.ledger import Ledger
from tests.dags.jobs.shadowed_rides import JOB
from tests.dags.scheduler import Scheduler
from tests.dags.test_whole_runs import STAGES, landed, settings_of, train, use_home
from tests.stores.predictions.conftest import server, shared_server

__all__ = ["landed", "server", "shared_server", "use_home"]

NIGHTLY = "nightly_scoring_shadowed_rides"
NIGHT, LAST = "2024-05-11", "2024-05-12"


@pytest.fixture(scope="module")
def shadowed(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a champion, and a second model that scores along."""
    home = tmp_path_factory.mktemp("shadowed") / "home"
    shutil.copytree(landed, home)
    train(home, JOB)
    train(home, JOB.model_copy(update={"training": JOB.training.model_copy(update={"window": 4})}))
    ledger = open_ledger(home)
    ledger.shadow("2", holds_from=NIGHT, until=LAST, who="tests", why="a test", expected_champion="1")
    return home


def open_ledger(home: Path) -> Ledger:
    return tasks.open_workspace(settings_of(home)).ledger(JOB)


@pytest.fixture
def scored(scheduler: Scheduler, use_home: Callable[[Path], None], shadowed: Path) -> DagRun:
    """A night that was scored with the champion."""
    use_home(shadowed)
    body = {"logical_date": None, "conf": {"partition": NIGHT}}
    assert scheduler.rest.post(f"/api/v2/dags/{NIGHTLY}/dagRuns", json=body).status_code == 200
    (run,) = scheduler.list_runs(NIGHTLY)
    assert {scheduler.run_task(run, stage)[0] for stage in STAGES[:-1]} == {"success"}
    return run


def test_only_a_job_that_asks_for_shadow_nights_has_the_task_and_nothing_waits_for_it(dags: dict[str, Any]) -> None:
    assert "score_shadows" not in dags["nightly_scoring_rides"].task_ids
    task = dags[NIGHTLY].get_task("score_shadows")
    assert (task.upstream_task_ids, task.downstream_task_ids) == ({"score"}, set())
    assert task.retries == 0


def test_the_challenger_scores_beside_the_publication(scheduler: Scheduler, scored: DagRun) -> None:
    state, done = scheduler.run_task(scored, "score_shadows")
    assert (state, list(done["shadows"]), done["warnings"]) == ("success", ["2"], [])
    assert scheduler.run_task(scored, "publish")[1]["model_version"] == "1"
    assert scheduler.watch_night(scored) == ("success", "skipped")
    assert scheduler.end_run(scored) == "success"


def test_whatever_goes_wrong_it_is_skipped_and_the_record_says_why(
    scheduler: Scheduler, scored: DagRun, tmp_path: Path
) -> None:
    assert scheduler.run_task(scored, "publish")[0] == "success"
    assert scheduler.watch_night(scored) == ("success", "skipped")
    workspace = tasks.open_workspace(settings_of(tmp_path / "home"))
    workspace.lake.replace(f"jobs/{JOB.name}/models/000001.json", b"damaged")
    assert scheduler.run_task(scored, "score_shadows")[0] == "skipped"
    (record,) = [
        record for record in tasks.read_run(workspace, JOB, NIGHT)["stages"] if record["stage"] == "score_shadows"
    ]
    assert (record["state"], record["error"]["error"]) == ("failed", "DamagedError")
    assert scheduler.end_run(scored) == "success"


def test_even_if_it_is_killed_the_run_is_a_success(scheduler: Scheduler, scored: DagRun) -> None:
    assert scheduler.run_task(scored, "publish")[0] == "success"
    assert scheduler.watch_night(scored) == ("success", "skipped")
    with create_session() as session:
        killed = (TaskInstance.run_id == scored.run_id, TaskInstance.task_id == "score_shadows")
        session.execute(update(TaskInstance).where(*killed).values(state="failed"))
    assert scheduler.end_run(scored) == "success"
