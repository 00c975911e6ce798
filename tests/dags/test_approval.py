"""A release that the gate holds back waits in Airflow for a person; ordinary nights ask nobody."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.jobs.job import Job as SchedulerJob
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import update

from pipeline import tasks
from pipeline.serving import Reader
from pipeline.settings import Settings
from pipeline.stores.release_log import ReleaseEvent
from tests.dags.jobs.gated_rides import JOB
from tests.dags.scheduler import Scheduler
from tests.dags.test_whole_runs import landed, settings_of, train, use_home
from tests.stores.predictions.conftest import server, shared_server
from tests.stores.predictions.server import RedisServer

__all__ = ["landed", "server", "shared_server", "use_home"]

NIGHTLY = "nightly_scoring_gated_rides"
STAGES = ["resolve_partition", "wait_for_deliveries", "ingest", "validate", "build_features", "score", "publish"]
FIRST, SECOND = "2024-05-11", "2024-05-12"


@pytest.fixture(scope="module")
def released(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a champion of the gated job."""
    home = tmp_path_factory.mktemp("gated") / "home"
    shutil.copytree(landed, home)
    train(home, JOB)
    return home


@pytest.fixture
def reader(server: RedisServer) -> Iterator[Reader]:
    reader = Reader(server.url, JOB.name, live_seconds=0)
    yield reader
    reader.close()


@pytest.fixture
def held(
    scheduler: Scheduler, use_home: Callable[[Path], None], released: Path, reader: Reader
) -> tuple[DagRun, dict[str, Any]]:
    """The first night is live, the run of the second waits for an answer; what its publish said."""
    use_home(released)
    release_night()
    answer = scheduler.rest.post(
        f"/api/v2/dags/{NIGHTLY}/dagRuns", json={"logical_date": None, "conf": {"partition": SECOND}}
    )
    assert answer.status_code == 200, answer.text
    run = scheduler.list_runs(NIGHTLY)[-1]
    outcomes = [scheduler.run_task(run, stage) for stage in STAGES]
    assert {state for state, _ in outcomes} == {"success"}
    published = outcomes[-1][1]
    assert published["result"] == "held"
    assert scheduler.run_task(run, "ask_for_approval")[0] == "awaiting_input"
    assert reader.status().header.partition == FIRST
    return run, published


def release_night() -> None:
    """Release the first night, as `nightjar run` does."""
    workspace = tasks.open_workspace(Settings.from_environment())
    summary = tasks.ingest(workspace, JOB, FIRST, "tests")
    for stage in (tasks.validate, tasks.build_features, tasks.score, tasks.publish):
        summary = stage(workspace, JOB, FIRST, "tests", summary)


def respond(scheduler: Scheduler, run: DagRun, option: str, why: str) -> None:
    """Answer as the page *Required actions* does."""
    answer = scheduler.rest.patch(
        f"/api/v2/dags/{NIGHTLY}/dagRuns/{run.run_id}/taskInstances/ask_for_approval/-1/hitlDetails",
        json={"chosen_options": [option], "params_input": {"why": why}},
    )
    assert answer.status_code == 200, answer.text


def end_run(scheduler: Scheduler, run: DagRun) -> str:
    """Judge the run as often as the scheduler does: the first time, it finds that the release cannot be made live."""
    scheduler.end_run(run)
    state, seen = scheduler.run_task(run, "watch")
    assert (state, seen["watched"]) == ("success", False)
    assert scheduler.run_task(run, "ask_for_training")[0] == "skipped"
    return scheduler.end_run(run)


def last_event(tmp_path: Path) -> ReleaseEvent:
    return tasks.open_workspace(settings_of(tmp_path / "home")).release_log(JOB).events()[-1]


def test_an_ordinary_night_skips_both_tasks(
    scheduler: Scheduler, use_home: Callable[[Path], None], released: Path
) -> None:
    use_home(released)
    night = scheduler.dags[NIGHTLY].test(logical_date=None, run_conf={"partition": FIRST})
    assert night.state == "success"
    states = {instance.task_id: str(instance.state) for instance in night.get_task_instances()}
    assert (states["ask_for_approval"], states["release_approved"]) == ("skipped", "skipped")


def test_a_job_whose_gate_does_not_ask_has_no_such_tasks(dags: dict[str, Any]) -> None:
    assert "ask_for_approval" not in dags["nightly_scoring_rides"].task_ids


def test_the_question_shows_the_evidence_and_an_approval_makes_it_live(
    scheduler: Scheduler, held: tuple[DagRun, dict[str, Any]], reader: Reader, tmp_path: Path
) -> None:
    run, published = held
    (question,) = scheduler.rest.get(f"/api/v2/dags/{NIGHTLY}/dagRuns/{run.run_id}/hitlDetails").json()["hitl_details"]
    assert published["generation"] in question["body"]
    assert "is the distance between the distributions of scores (limit 0)" in question["body"]
    assert [user["id"] for user in question["assigned_users"]] == ["admin", "Anonymous"]
    respond(scheduler, run, "Approve", "more rides at the week-end")
    state, answer = scheduler.run_task(run, "ask_for_approval")
    assert (state, answer["why"]) == ("success", "more rides at the week-end")
    state, approved = scheduler.run_task(run, "release_approved")
    assert (state, approved["result"]) == ("success", "live")
    assert reader.status().header.generation == published["generation"]
    event = last_event(tmp_path)
    assert (event.kind, event.who, event.why) == ("approved", answer["who"], "more rides at the week-end")
    state, seen = scheduler.run_task(run, "watch")
    assert (state, seen["watched"], seen["generation"]) == ("success", True, published["generation"])


def test_a_rejection_fails_the_run_and_changes_nothing_that_is_read(
    scheduler: Scheduler,
    held: tuple[DagRun, dict[str, Any]],
    reader: Reader,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run, _ = held
    respond(scheduler, run, "Reject", "the stations in the north are missing")
    assert scheduler.run_task(run, "ask_for_approval")[0] == "failed"
    assert "was turned down" in caplog.text
    assert reader.status().header.partition == FIRST
    assert last_event(tmp_path).kind == "declined"
    assert end_run(scheduler, run) == "failed"


def test_silence_turns_the_release_down_loudly(
    scheduler: Scheduler,
    held: tuple[DagRun, dict[str, Any]],
    reader: Reader,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the scheduler does once the time for an answer is over."""
    run, _ = held
    with create_session() as session:
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.run_id == run.run_id, TaskInstance.task_id == "ask_for_approval")
            .values(trigger_timeout=datetime.now(UTC) - timedelta(minutes=1))
        )
    SchedulerJobRunner(job=SchedulerJob(), executors=[]).check_awaiting_input_timeouts()  # type: ignore[no-untyped-call]
    assert scheduler.run_task(run, "ask_for_approval")[0] == "failed"
    assert "no answer within" in caplog.text
    event = last_event(tmp_path)
    assert (event.kind, event.who) == ("declined", "nobody")
    assert reader.status().header.partition == FIRST
    assert end_run(scheduler, run) == "failed"
