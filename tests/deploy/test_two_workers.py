"""Three nights on two Celery workers and PostgreSQL, as the compose file starts them, while one worker is killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest

from pipeline import tasks
from pipeline.local.airflow_api import UNFINISHED, AirflowApi
from pipeline.local.runs import explain_failure
from pipeline.serving import Reader
from pipeline.settings import Settings
from tests.dags.jobs.rides import JOB
from tests.deploy.processes import Process, wait_until
from tests.deploy.servers import PostgresServer, RedisServer
from tests.deploy.stack import Stack, run_stack
from tests.tasks.nights import read_scores, run_until_scored

pytestmark = pytest.mark.slow

DAG = "nightly_scoring_rides"
NIGHTS = ["2024-05-11", "2024-05-12", "2024-05-13"]
TRAINED_ON = "2024-05-10"
STAGES = {"ingest", "validate", "build_features", "score", "publish"}
SECONDS = 1200
"""A task whose worker is gone is believed alive for five minutes, which is Airflow's default."""


@pytest.fixture(scope="module")
def stack(
    generated: dict[str, str],
    postgres: PostgresServer,
    broker: RedisServer,
    serving: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """All services and a second worker, healthy; data landed and a model trained."""
    variables = {**generated, "NIGHTJAR_JOBS": "tests.dags.jobs.rides"}
    with run_stack(tmp_path_factory.mktemp("stack"), variables, postgres, broker, serving) as stack:
        second = stack.start_worker("second")
        wait_until("the second worker is ready", lambda: "ready." in second.log.read_text(), stack.processes, 120)
        prepare(stack)
        yield stack


@pytest.fixture
def api(stack: Stack, generated: dict[str, str]) -> Iterator[AirflowApi]:
    user, password = generated["AIRFLOW_ADMIN_USERNAME"], generated["AIRFLOW_ADMIN_PASSWORD"]
    api = AirflowApi(f"http://127.0.0.1:{stack.api}", user=user, password=password)
    yield api
    api.close()


def open_settings(stack: Stack) -> Settings:
    """A worker's own."""
    return Settings.from_environment(stack.environment("worker")).model_copy(update={"parallel": "inline"})


def prepare(stack: Stack) -> None:
    """Land two weeks and train a champion, before any night."""
    workspace = tasks.open_workspace(open_settings(stack))
    tasks.land_upstream(workspace, JOB, date(2024, 5, 1), date(2024, 5, 15))
    summary = tasks.snapshot(workspace, JOB, TRAINED_ON, "tests")
    for stage in (tasks.train, tasks.evaluate, tasks.promote):
        summary = stage(workspace, JOB, TRAINED_ON, "tests", summary)
    shutil.copytree(stack.folder / "lake", stack.folder / "apart" / "lake")


def list_runs(api: AirflowApi) -> dict[str, str]:
    """Run ids by partition."""
    return {run["data_interval_start"][:10]: run["dag_run_id"] for run in api.list_runs(DAG)}


def find_worker_of(api: AirflowApi, runs: dict[str, str], workers: list[Process]) -> tuple[Process, str] | None:
    """The worker that a stage runs on at this moment, and what runs there."""
    for partition, run in runs.items():
        for task in api.list_tasks(DAG, run):
            if task["state"] == "running" and task["task_id"] in STAGES and task["pid"]:
                for worker in workers:
                    below = psutil.Process(worker.popen.pid).children(recursive=True)
                    if task["pid"] in [process.pid for process in below]:
                        return worker, f"{task['task_id']} of {partition}"
    return None


def kill(stack: Stack, worker: Process) -> None:
    """As if its machine had gone: with all that it has started, at once."""
    everything = [psutil.Process(worker.popen.pid), *psutil.Process(worker.popen.pid).children(recursive=True)]
    for process in everything:
        process.suspend()
    for process in everything:
        process.kill()
    worker.popen.wait()
    stack.processes.remove(worker)


def test_a_backfill_survives_a_worker_and_makes_the_same_predictions(stack: Stack, api: AirflowApi) -> None:
    workers = [process for process in stack.processes if process.name.startswith("worker")]
    assert len(workers) == 2
    wait_until("the DAG is known", lambda: api.read_dag(DAG) is not None, stack.processes, 120)
    api.create_backfill(DAG, NIGHTS[0], NIGHTS[-1])
    wait_until("the runs are there", lambda: sorted(list_runs(api)) == NIGHTS, stack.processes, 60)
    runs = list_runs(api)
    found: list[tuple[Process, str]] = []

    def is_at_work() -> bool:
        found.extend(filter(None, [find_worker_of(api, runs, workers)]))
        return found != []

    wait_until("a stage runs", is_at_work, stack.processes, 180)
    killed, what = found[0]
    kill(stack, killed)

    def have_ended() -> bool:
        return all(api.read_run(DAG, run)["state"] not in UNFINISHED for run in runs.values())

    wait_until("the runs end", have_ended, stack.processes, SECONDS)
    for run in runs.values():
        assert api.read_run(DAG, run)["state"] == "success", explain_failure(api, DAG, run)
    tries = [task["try_number"] for run in runs.values() for task in api.list_tasks(DAG, run)]
    assert max(tries) > 1, f"killing {killed.name} during {what} cost no task anything"
    compare(stack)


def compare(stack: Stack) -> None:
    """What readers see of every night is what one process makes of the same lake."""
    settings = open_settings(stack)
    apart = settings.model_copy(update={"home": stack.folder / "apart", "lake": str(stack.folder / "apart" / "lake")})
    alone = tasks.open_workspace(apart)
    reader = Reader(settings.url_for_reading, JOB.name)
    for partition in NIGHTS:
        scores = read_scores(alone, JOB, run_until_scored(alone, JOB, partition)["score"])
        read = reader.get_many(list(scores), partition=partition)
        assert {name: read[name].value for name in scores} == scores
    assert reader.status().header.partition == NIGHTS[-1]
    reader.close()


def test_the_logs_of_both_workers_are_there(stack: Stack) -> None:
    logs = Path(stack.folder)
    assert all("execute_workload" in (logs / f"{name}.log").read_text() for name in ("worker", "worker-second"))
