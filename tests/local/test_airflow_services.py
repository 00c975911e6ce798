"""Airflow itself: four components on loopback, runs followed through its API, nothing left when it is stopped.

The tests share one Airflow and run in order; the last one stops it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from pipeline.errors import NightjarError, UnavailableError
from pipeline.local.airflow_api import UNFINISHED, AirflowApi, wait_for_dag
from pipeline.local.airflow_services import AirflowPlan, prepare_airflow, start_airflow
from pipeline.local.credentials import generate_credentials
from pipeline.local.ports import find_free_port
from pipeline.local.processes import Service, end_marked, end_services, find_marked
from pipeline.local.runs import find_backfill_runs, follow_runs
from pipeline.local.steps import Steps
from tests.deploy.processes import wait_until

PLUGINS = Path(__file__).parents[2] / "plugins"

DAG_FILE = """
import os, subprocess, sys, time
from datetime import datetime
from pathlib import Path
from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2013, 1, 1),
    end_date=datetime(2013, 1, 31),
    catchup=False,
    params={"do": Param("nothing", type="string")},
)
def sample():
    @task
    def first(**context):
        print("variables:", sorted(name for name in os.environ if not name.startswith(("AIRFLOW", "_AIRFLOW"))))
        do = context["params"]["do"]
        if do == "fail":
            raise ValueError("the first task broke")
        if do == "hang":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
            Path(os.environ["TEST_FLAG"]).touch()
            time.sleep(600)

    @task
    def second():
        print("second")

    first() >> second()

sample()
"""


class Airflow:
    """A running Airflow and what the tests need of it."""

    def __init__(self, folder: Path) -> None:
        (folder / "dags").mkdir(parents=True)
        (folder / "dags" / "sample.py").write_text(DAG_FILE)
        (folder / "plugins").symlink_to(PLUGINS)
        self.flag = folder / "hanging"
        self.home = folder / "home"
        self.services: list[Service] = []
        self.plan = AirflowPlan(
            home=self.home,
            dags=folder / "dags",
            port=find_free_port(),
            credentials=generate_credentials(),
            variables={"TEST_FLAG": str(self.flag)},
        )
        password = self.plan.credentials.admin_password
        self.api = AirflowApi(self.plan.url, user="admin", password=password)

    def start(self) -> None:
        since = datetime.now(UTC).isoformat()
        prepare_airflow(self.plan)
        start_airflow(self.plan, self.api, self.services.append)
        wait_for_dag(self.api, "sample", since=since, seconds=60)
        self.api.unpause("sample")

    def follow(self, runs: dict[str, str], seconds: float = 120) -> None:
        with Steps(Console(file=io.StringIO())) as steps:
            follow_runs(self.api, "sample", runs, steps=steps, services=self.services, timeout_seconds=seconds)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    started = Airflow(tmp_path_factory.mktemp("airflow"))
    try:
        started.start()
        yield started
    finally:
        end_marked(started.home)
        started.api.close()


def test_everything_listens_on_loopback_only(airflow: Airflow) -> None:
    listening = {
        connection.laddr
        for process in find_marked(airflow.home)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening == {("127.0.0.1", airflow.plan.port)}


def test_unpausing_a_dag_whose_days_are_over_runs_nothing(airflow: Airflow) -> None:
    assert airflow.api.list_runs("sample") == []


def test_a_backfill_runs_the_days_asked_for_and_again(airflow: Airflow) -> None:
    days = ["2013-01-05", "2013-01-06"]
    for _ in range(2):
        airflow.api.end_backfills("sample")
        airflow.api.create_backfill("sample", days[0], days[-1])
        runs = find_backfill_runs(airflow.api, "sample", days)
        assert list(runs) == days
        airflow.follow(runs)

    assert len(airflow.api.list_runs("sample")) == len(days)


def test_tasks_get_no_more_of_the_environment_than_they_need(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMEBODYS_SECRET", "x")

    assert "SOMEBODYS_SECRET" not in airflow.plan.environment()
    assert airflow.plan.environment()["TEST_FLAG"] == str(airflow.flag)


def test_a_failed_run_names_the_task_and_the_end_of_its_log(airflow: Airflow) -> None:
    run = airflow.api.trigger("sample", {"do": "fail"})

    with pytest.raises(NightjarError) as caught:
        airflow.follow({"a run": run})

    assert "the task first of sample failed" in str(caught.value)
    assert "ValueError: the first task broke" in str(caught.value)


def test_a_dag_file_that_cannot_be_imported_is_named(airflow: Airflow) -> None:
    since = datetime.now(UTC).isoformat()
    broken = airflow.plan.dags / "broken.py"
    broken.write_text("from airflow.sdk import dag\nraise RuntimeError('not today')\n")
    try:
        with pytest.raises(UnavailableError, match=r"(?s)broken\.py.*not today"):
            wait_for_dag(airflow.api, "broken", since=since, seconds=120)
    finally:
        broken.unlink()


def test_a_wrong_password_is_refused(airflow: Airflow) -> None:
    stranger = AirflowApi(airflow.plan.url, user="admin", password="guessed")

    with pytest.raises(NightjarError, match="refused the login"):
        stranger.list_runs("sample")
    stranger.close()


def test_waiting_for_a_run_has_an_end(airflow: Airflow) -> None:
    run = airflow.api.trigger("sample", {"do": "hang"})

    with pytest.raises(UnavailableError, match=r"(?s)did not end in time.*a long run"):
        airflow.follow({"a long run": run}, seconds=1)


def test_stopping_ends_a_task_that_is_at_work_and_its_own_children(airflow: Airflow) -> None:
    wait_until("a task is at work", airflow.flag.exists, [])
    before = find_marked(airflow.home)
    assert len(before) > len(airflow.services)

    end_services(airflow.services)
    end_marked(airflow.home)

    assert [process for process in before if process.is_running()] == []


def test_a_run_that_was_cut_short_has_failed_after_the_next_start(airflow: Airflow) -> None:
    airflow.services.clear()
    airflow.flag.unlink()

    airflow.start()

    assert airflow.api.list_runs("sample", UNFINISHED) == []
    assert not airflow.flag.exists()
    end_services(airflow.services)


def test_waiting_ends_when_airflow_does(airflow: Airflow) -> None:
    with pytest.raises(UnavailableError):
        airflow.follow({"a run": "manual__never"})


def test_passwords_are_as_generated(airflow: Airflow) -> None:
    passwords = json.loads((airflow.plan.folder / "passwords.json").read_text())

    assert passwords["admin"] == airflow.plan.credentials.admin_password
