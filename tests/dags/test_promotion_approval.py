"""A challenger that passed gate and proof waits in Airflow for a person; one that the gate refused asks nobody."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from airflow.jobs.job import Job as SchedulerJob
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import update

from pipeline import tasks
from pipeline.errors import RefusedError
from pipeline.stores.ledger import Ledger
from tests.dags.jobs.approved_rides import JOB
from tests.dags.jobs.rides import JOB as RIDES
from tests.dags.jobs.rides_parts import RidesUpstream
from tests.dags.scheduler import Scheduler
from tests.dags.test_whole_runs import landed, settings_of, train, use_home
from tests.stores.predictions.conftest import server, shared_server

__all__ = ["landed", "server", "shared_server", "use_home"]

RETRAINING = "retraining_approved_rides"
STAGES = ["resolve_partition", "settle_shadow", "snapshot", "train", "evaluate", "prove"]
TRAINED_ON, NIGHT = "2024-05-10", "2024-05-11"


@pytest.fixture(scope="module")
def validated(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The landed lake with what the training reads: validated deliveries and features."""
    home = tmp_path_factory.mktemp("validated") / "home"
    shutil.copytree(landed, home)
    tasks.snapshot(tasks.open_workspace(settings_of(home)), JOB, TRAINED_ON, "validation")
    return home


@pytest.fixture
def ledger(use_home: Callable[[Path], None], validated: Path, tmp_path: Path) -> Ledger:
    use_home(validated)
    return tasks.open_workspace(settings_of(tmp_path / "home")).ledger(JOB)


@pytest.fixture
def waiting(scheduler: Scheduler, ledger: Ledger) -> DagRun:
    """A training whose challenger passed, and waits for an answer."""
    run = run_stages(scheduler)
    assert scheduler.run_task(run, "ask_for_approval")[0] == "awaiting_input"
    assert ledger.champion(NIGHT) is None
    return run


def run_stages(scheduler: Scheduler) -> DagRun:
    answer = scheduler.rest.post(
        f"/api/v2/dags/{RETRAINING}/dagRuns", json={"logical_date": None, "conf": {"partition": TRAINED_ON}}
    )
    assert answer.status_code == 200, answer.text
    run = scheduler.list_runs(RETRAINING)[-1]
    assert {scheduler.run_task(run, stage)[0] for stage in STAGES} == {"success"}
    return run


def respond(scheduler: Scheduler, run: DagRun, option: str, why: str) -> None:
    """Answer as the page *Required actions* does."""
    answer = scheduler.rest.patch(
        f"/api/v2/dags/{RETRAINING}/dagRuns/{run.run_id}/taskInstances/ask_for_approval/-1/hitlDetails",
        json={"chosen_options": [option], "params_input": {"why": why}},
    )
    assert answer.status_code == 200, answer.text


def end_run(scheduler: Scheduler, run: DagRun) -> str:
    """Judge the run as often as the scheduler does: the first time, it finds that the last task cannot run."""
    scheduler.end_run(run)
    return scheduler.end_run(run)


def test_the_question_shows_the_evidence_and_an_approval_promotes_in_that_name(
    scheduler: Scheduler, waiting: DagRun, ledger: Ledger
) -> None:
    details = scheduler.rest.get(f"/api/v2/dags/{RETRAINING}/dagRuns/{waiting.run_id}/hitlDetails").json()
    (question,) = details["hitl_details"]
    metrics = ledger.version("1").registration.metrics
    for words in ("| rmse |", f"{metrics['rmse']:.6g}", "- overall:", "- leakage:", "golden rows"):
        assert words in question["body"]
    assert [user["id"] for user in question["assigned_users"]] == ["admin", "Anonymous"]
    respond(scheduler, waiting, "Approve", "the first of its kind")
    state, answer = scheduler.run_task(waiting, "ask_for_approval")
    assert state == "success"
    state, promoted = scheduler.run_task(waiting, "promote")
    assert (state, promoted["champion"]) == ("success", "1")
    event = ledger.events()[-1]
    assert (event.kind, event.who, event.holds_from) == ("promoted", answer["who"], NIGHT)
    assert event.why.startswith("the first of its kind; there is no champion")


def test_a_rejection_fails_the_run_and_rejects_the_challenger(
    scheduler: Scheduler, waiting: DagRun, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    respond(scheduler, waiting, "Reject", "the week was a strike")
    assert scheduler.run_task(waiting, "ask_for_approval")[0] == "failed"
    assert "was turned down" in caplog.text
    event = ledger.events()[-1]
    assert (event.kind, event.model_version, event.why) == ("rejected", "1", "the week was a strike")
    assert ledger.champion(NIGHT) is None
    assert end_run(scheduler, waiting) == "failed"


def test_silence_rejects_the_challenger_loudly(
    scheduler: Scheduler, waiting: DagRun, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with create_session() as session:
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.run_id == waiting.run_id, TaskInstance.task_id == "ask_for_approval")
            .values(trigger_timeout=datetime.now(UTC) - timedelta(minutes=1))
        )
    SchedulerJobRunner(job=SchedulerJob(), executors=[]).check_awaiting_input_timeouts()  # type: ignore[no-untyped-call]
    assert scheduler.run_task(waiting, "ask_for_approval")[0] == "failed"
    assert "no answer within" in caplog.text
    event = ledger.events()[-1]
    assert (event.kind, event.who) == ("rejected", "nobody")
    assert end_run(scheduler, waiting) == "failed"


def test_an_answer_that_names_nobody_turns_the_challenger_down(
    scheduler: Scheduler, waiting: DagRun, ledger: Ledger
) -> None:
    question: Any = scheduler.dags[RETRAINING].get_task("ask_for_approval")
    question.summary = {"model_version": "1", "partition": TRAINED_ON}
    now = datetime.now(UTC)
    answered: dict[str, Any] = {
        "chosen_options": ["Approve"],
        "params_input": {},
        "responded_by_user": None,
        "responded_at": now,
    }
    with pytest.raises(RefusedError, match="was turned down"):
        question.execute_complete({"ti": waiting.get_task_instance("ask_for_approval")}, answered)
    event = ledger.events()[-1]
    assert (event.kind, event.who, event.why) == ("rejected", "nobody", "an answer that names nobody")


def test_what_the_gate_refused_asks_nobody_and_is_refused_in_the_ledger(
    scheduler: Scheduler, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The challenger learns from days that upstream has delivered again, wrongly."""
    caplog.set_level("INFO")
    home = tmp_path / "home"
    train(home, JOB.model_copy(update={"training": RIDES.training}))
    workspace = tasks.open_workspace(settings_of(home))
    for day in range(2, 7):
        table = RidesUpstream().deliver("rides", date(2024, 5, day))
        wrong = table.set_column(1, "count", pc.multiply(table["count"], 5))
        workspace.deliveries.land("rides", date(2024, 5, day), [wrong], workspace.clock())
    training = scheduler.dags[RETRAINING].test(logical_date=None, run_conf={"partition": TRAINED_ON})
    states = {instance.task_id: str(instance.state) for instance in training.get_task_instances()}
    assert (states["ask_for_approval"], states["promote"]) == ("skipped", "success")
    assert training.state == "success"
    assert "nobody is asked: model 2 is not up for promotion: may be worse than the margin" in caplog.text
    assert [(event.kind, event.model_version) for event in ledger.events()] == [
        ("registered", "1"),
        ("promoted", "1"),
        ("registered", "2"),
        ("refused", "2"),
    ]


def test_a_run_without_work_promotes_and_refuses_nothing(scheduler: Scheduler, ledger: Ledger) -> None:
    """As within the cool-down."""
    body = {"logical_date": None, "conf": {"partition": TRAINED_ON}}
    assert scheduler.rest.post(f"/api/v2/dags/{RETRAINING}/dagRuns", json=body).status_code == 200
    run = scheduler.list_runs(RETRAINING)[-1]
    with create_session() as session:
        first = (TaskInstance.run_id == run.run_id, TaskInstance.task_id == "resolve_partition")
        session.execute(update(TaskInstance).where(*first).values(state="skipped"))
    ended = [scheduler.end_run(run) for _ in scheduler.dags[RETRAINING].tasks]
    assert ended[-1] == "success"
    assert {str(instance.state) for instance in run.get_task_instances()} == {"skipped"}
    assert ledger.events() == []


def test_a_job_that_asks_nobody_has_no_such_task(dags: dict[str, Any]) -> None:
    assert "ask_for_approval" not in dags["retraining_rides"].task_ids
