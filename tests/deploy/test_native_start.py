"""The environment of docker-compose.yml starts the real processes, and a DAG runs on the Celery worker."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from tests.deploy.processes import find_marked, wait_until
from tests.deploy.servers import PostgresServer, RedisServer
from tests.deploy.stack import Stack, run_stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(
    generated: dict[str, str],
    postgres: PostgresServer,
    broker: RedisServer,
    serving: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """All services, healthy."""
    probe = Path(__file__).with_name("probe_dag.py")
    folder = tmp_path_factory.mktemp("stack")
    with run_stack(folder, generated, postgres, broker, serving, further_dags=[probe]) as stack:
        yield stack


def call(stack: Stack, method: str, path: str, body: object = None, token: str = "") -> Any:
    """The JSON answer of the API server."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.api}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - loopback
        return json.load(response)


@pytest.fixture(scope="module")
def token(stack: Stack, generated: dict[str, str]) -> str:
    """A token of the administrator that `initialise` made."""
    login = {"username": generated["AIRFLOW_ADMIN_USERNAME"], "password": generated["AIRFLOW_ADMIN_PASSWORD"]}
    answer: str = call(stack, "POST", "/auth/token", login)["access_token"]
    return answer


@pytest.fixture(scope="module")
def run(stack: Stack, token: str) -> dict[str, Any]:
    """A finished run of the probe, triggered as a person's program would do it."""

    def is_known() -> bool:
        return "probe" in [dag["dag_id"] for dag in call(stack, "GET", "/api/v2/dags", token=token)["dags"]]

    wait_until("the DAG is known", is_known, stack.processes, 120)
    started = call(stack, "POST", "/api/v2/dags/probe/dagRuns", {"logical_date": None}, token)
    path = f"/api/v2/dags/probe/dagRuns/{started['dag_run_id']}"

    def is_over() -> bool:
        return call(stack, "GET", path, token=token)["state"] in ("success", "failed")

    wait_until("the run ends", is_over, stack.processes, 180)
    finished: dict[str, Any] = call(stack, "GET", path, token=token)
    return finished


def test_every_component_reports_itself_healthy(stack: Stack) -> None:
    health = call(stack, "GET", "/api/v2/monitor/health")
    assert {name: part["status"] for name, part in health.items()} == {
        "metadatabase": "healthy",
        "scheduler": "healthy",
        "triggerer": "healthy",
        "dag_processor": "healthy",
    }


def test_the_worker_has_the_libraries_before_a_task_comes(stack: Stack) -> None:
    (worker,) = (process for process in stack.processes if process.name == "worker")
    below = psutil.Process(worker.popen.pid).children(recursive=True)
    ready = [process for process in below if any("libarrow" in mapped.path for mapped in process.memory_maps())]
    tasks_at_once = int(stack.environment("worker")["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert len(ready) == tasks_at_once, "all but the one that removes old bundles, which works on no task"


def test_the_projects_dags_are_there_and_those_on_a_schedule_are_paused(stack: Stack, token: str) -> None:
    expected = {
        "nightly_scoring_flight_delays": True,
        "retraining_flight_delays": True,
        "feedback_flight_delays": True,
        "rollback_flight_delays": False,
    }

    def read_paused() -> dict[str, bool]:
        dags = call(stack, "GET", "/api/v2/dags", token=token)["dags"]
        return {dag["dag_id"]: dag["is_paused"] for dag in dags if dag["dag_id"] != "probe"}

    def read_errors() -> list[dict[str, str]]:
        errors: list[dict[str, str]] = call(stack, "GET", "/api/v2/importErrors", token=token)["import_errors"]
        return errors

    wait_until("DAGs are parsed", lambda: bool(read_errors() or read_paused().keys() >= expected.keys()), [], 120)
    assert read_errors() == []
    assert read_paused() == expected


def test_nobody_gets_in_without_the_password(stack: Stack) -> None:
    for login in ({"username": "admin", "password": "admin"}, {"username": "admin", "password": ""}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            call(stack, "POST", "/auth/token", login)
        assert refused.value.code in (400, 401, 422)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call(stack, "GET", "/api/v2/dags")


def test_a_run_succeeds_on_the_celery_worker(stack: Stack, run: dict[str, Any], token: str) -> None:
    instances = call(stack, "GET", f"/api/v2/dags/probe/dagRuns/{run['dag_run_id']}/taskInstances", token=token)
    logs = "\n".join(path.read_text() for path in (stack.folder / "logs").rglob("attempt=*.log"))
    assert run["state"] == "success", logs[-5000:]
    assert [instance["executor"] for instance in instances["task_instances"]] in ([None], ["CeleryExecutor"])
    assert "execute_workload" in (stack.folder / "worker.log").read_text()


def test_the_worker_wrote_what_readers_see(stack: Stack, run: dict[str, Any], generated: dict[str, str]) -> None:
    reader = redis.Redis(port=stack.serving.port, username="reader", password=generated["SERVING_READER_PASSWORD"])
    assert reader.hget("nightjar:probe:1-0000:0", "probe") == run["dag_run_id"].encode()


@pytest.mark.usefixtures("run")
def test_mlflow_keeps_the_experiment_and_its_artifact(stack: Stack) -> None:
    assert [path.read_text() for path in (stack.folder / "mlflow").rglob("artifact.txt")] == ["found"]


def test_the_worker_held_no_key_of_the_control_plane(stack: Stack, run: dict[str, Any], token: str) -> None:
    path = f"/api/v2/dags/probe/dagRuns/{run['dag_run_id']}/taskInstances/use_services/xcomEntries/return_value"
    assert call(stack, "GET", path, token=token)["value"] == {"secrets": []}


def test_the_api_server_shows_the_log_of_the_task(stack: Stack, run: dict[str, Any], token: str) -> None:
    """Logs come from the shared volume; workers serve none."""
    path = f"/api/v2/dags/probe/dagRuns/{run['dag_run_id']}/taskInstances/use_services/logs/1?full_content=true"
    assert "the probe was here" in json.dumps(call(stack, "GET", path, token=token))


def test_initialising_again_changes_nothing(stack: Stack) -> None:
    """Every start of the compose file runs it."""
    again = stack.start("initialise")
    assert again.popen.wait(300) == 0, again.tail()
    stack.processes.remove(again)
    assert "admin already exists" in again.log.read_text()


def test_nothing_survives_a_stop(stack: Stack) -> None:
    """Last, because it stops the stack."""
    stack.stop_all()
    wait_until("all processes are gone", lambda: not find_marked(stack.marker), [], 30)
    assert find_marked(stack.marker) == []
