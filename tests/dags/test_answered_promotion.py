"""A challenger waits on a real scheduler for a person, who answers through REST: yes, no, or not in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline import tasks
from pipeline.job import Job
from pipeline.local.airflow_api import AirflowApi
from pipeline.local.processes import end_marked
from pipeline.stores.ledger import Ledger
from pipeline.stores.ledger_events import NEWEST, Event
from tests.dags.embedded import SECONDS, EmbeddedAirflow
from tests.dags.jobs.approved_rides import JOB as APPROVED
from tests.dags.jobs.hurried_rides import JOB as HURRIED
from tests.stores.predictions.topologies import wait_until
from tests.tasks.nights import train_model

pytestmark = pytest.mark.slow

FIRST_DAY, LAST_DAY = date(2024, 5, 1), date(2024, 5, 15)
TRAINED_ON, FIRST_NIGHT = "2024-05-10", "2024-05-11"
OPTIONS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,operator:op,viewer:viewer",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
}
BUSY = (500, 503)
"""What Airflow answers while another of its components writes to SQLite."""


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAirflow]:
    """Both jobs have a champion, and deliveries of some days after its training."""
    home = tmp_path_factory.mktemp("answered")
    try:
        with closing(
            EmbeddedAirflow(home, "tests.dags.jobs.approved_rides tests.dags.jobs.hurried_rides", OPTIONS)
        ) as airflow:
            workspace = tasks.open_workspace(airflow.settings)
            tasks.land_upstream(workspace, APPROVED, FIRST_DAY, LAST_DAY)
            for job in (APPROVED, HURRIED):
                train_model(workspace, job, TRAINED_ON)
                workspace.ledger(job).promote(
                    "1", holds_from=FIRST_NIGHT, who="tests", why="the first of its kind", expected_champion=None
                )
            airflow.start(name_dag(APPROVED), name_dag(HURRIED))
            yield airflow
    finally:
        end_marked(home)


def name_dag(job: Job) -> str:
    return f"retraining_{job.name}"


def open_ledger(airflow: EmbeddedAirflow, job: Job) -> Ledger:
    return tasks.open_workspace(airflow.settings).ledger(job)


def find_champion(airflow: EmbeddedAirflow, job: Job) -> str:
    champion = open_ledger(airflow, job).champion(NEWEST)
    assert champion is not None
    return champion.version


def ask(airflow: EmbeddedAirflow, partition: str) -> tuple[str, dict[str, Any]]:
    """Train a challenger that passes; the run, and the question that it waits with."""
    run = airflow.api.trigger(name_dag(APPROVED), {"partition": partition})
    airflow.wait_for_input(name_dag(APPROVED), run, "ask_for_approval")
    return run, airflow.get(name_question(run))


def name_question(run: str) -> str:
    return f"dags/{name_dag(APPROVED)}/dagRuns/{run}/taskInstances/ask_for_approval/-1/hitlDetails"


def answer(api: AirflowApi, run: str, option: str, why: str, expected: int = 200) -> str:
    """Answer through REST, and what comes back."""
    body = {"chosen_options": [option], "params_input": {"why": why}}
    answers = []

    def is_taken() -> bool:
        answers.append(api._send("PATCH", f"/api/v2/{name_question(run)}", json=body, accept=(expected, *BUSY)))
        return answers[-1].status_code == expected

    wait_until("Airflow takes the answer", is_taken, SECONDS)
    return str(answers[-1].text)


def show_models(airflow: EmbeddedAirflow, job: Job) -> dict[str, Any]:
    """What `nightjar models` says, as somebody at a shell sees it."""
    nightjar = Path(sys.executable).with_name("nightjar")
    environment = {**os.environ, **airflow.settings.to_environment()}
    command = [str(nightjar), "models", job.name, "--json"]
    return dict(json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout))


def check_shown(airflow: EmbeddedAirflow, job: Job, decided: Event) -> None:
    """`nightjar models` tells the decision, of its model and as the last line of the history."""
    shown = show_models(airflow, job)
    assert shown["champion"] == find_champion(airflow, job)
    (version,) = [each for each in shown["versions"] if each["version"] == decided.model_version]
    for told, kind in ((version, version["standing"]), (shown["history"][-1], shown["history"][-1]["kind"])):
        assert (kind, told["who"], told["why"]) == (decided.kind, decided.who, decided.why)


def check_turned_down(airflow: EmbeddedAirflow, job: Job, run: str, who: str, why: str, champion: str) -> None:
    """The run failed, its owner was told, the challenger is rejected in the ledger, and the champion stays."""
    dag = name_dag(job)
    assert airflow.wait_for_end(dag, run) == "failed"
    states = {task["task_id"]: task["state"] for task in airflow.api.list_tasks(dag, run)}
    assert (states["prove"], states["ask_for_approval"], states["promote"]) == ("success", "failed", "upstream_failed")
    log = "\n".join(airflow.api.read_log(dag, run, {"task_id": "ask_for_approval", "try_number": 1}))
    decided = open_ledger(airflow, job).events()[-1]
    assert (decided.kind, decided.who, decided.why) == ("rejected", who, why), log
    assert decided.model_version != champion == find_champion(airflow, job)
    assert f"Nightjar: RefusedError: model {decided.model_version} was turned down" in log
    assert f"found='{who}: {why}'" in log
    check_shown(airflow, job, decided)


def test_who_sees_the_evidence_may_approve_and_promotes_in_that_name(airflow: EmbeddedAirflow) -> None:
    before = find_champion(airflow, APPROVED)
    run, question = ask(airflow, "2024-05-11")
    ledger = open_ledger(airflow, APPROVED)
    challenger = ledger.versions()[-1]
    assert question["subject"] == "Let a challenger become champion of approved_rides?"
    assert question["options"] == ["Approve", "Reject"]
    rmse = f"{challenger.registration.metrics['rmse']:.6g}"
    for words in (
        f"Model `{challenger.version}`, trained as of 2024-05-11, passed the gate; champion is model {before}",
        "golden rows as at its training",
        f"| rmse | {rmse} |",
        "Difference in the primary metric",
        "- overall:",
        "- leakage:",
    ):
        assert words in question["body"]
    for user, refusal in (("operator", "User=operator (id=operator) is not a respondent"), ("viewer", "Forbidden")):
        with closing(airflow.log_in(user)) as api:
            assert refusal in answer(api, run, "Approve", "I would like it", expected=403)
    assert airflow.get(name_question(run))["response_received"] is False
    assert find_champion(airflow, APPROVED) == before
    answer(airflow.api, run, "Approve", "the numbers are good")
    airflow.wait_for_success(name_dag(APPROVED), run)
    decided = ledger.events()[-1]
    assert (decided.kind, decided.model_version) == ("promoted", challenger.version)
    assert (decided.who, decided.holds_from) == ("admin", "2024-05-12")
    assert decided.why.startswith("the numbers are good; ")
    assert "rmse of the challenger is" in decided.why
    assert find_champion(airflow, APPROVED) == challenger.version
    check_shown(airflow, APPROVED, decided)


def test_a_rejection_fails_the_run_and_the_champion_stays(airflow: EmbeddedAirflow) -> None:
    champion = find_champion(airflow, APPROVED)
    run, _ = ask(airflow, "2024-05-12")
    answer(airflow.api, run, "Reject", "the week was a strike")
    check_turned_down(airflow, APPROVED, run, "admin", "the week was a strike", champion)


def test_silence_rejects_as_loudly(airflow: EmbeddedAirflow) -> None:
    champion = find_champion(airflow, HURRIED)
    run = airflow.api.trigger(name_dag(HURRIED), {"partition": "2024-05-11"})
    check_turned_down(airflow, HURRIED, run, "nobody", "no answer within 0:00:10", champion)
