"""Where the time of a small night on Airflow goes: scheduling, starting tasks, work.

``python -m benchmarks.overhead [--nights 3] [--json]`` runs nights of the flight job, about 900 rows each, on an
Airflow of its own as ``nightjar up`` starts it, and others by ``nightjar run`` in one process, as the least there is:

* ``LocalExecutor``: Airflow's own; every task imports its libraries;
* ``WarmLocalExecutor``: with libraries imported ahead (``plugins/nightjar_libraries.py``), as ``nightjar up`` runs it.

A task's time is divided in ``scheduling`` (from the end of the task before to its start, workers and scheduler),
``starting`` (from its start to its end, less its work: parsing the DAG file, imports, the talk with Airflow's API) and
``work`` (what the stage's record says).  Times are medians over the nights, in seconds; every night is new, and they
run one after the other.  The result goes to ``reports/bench-overhead.json``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.processes import run_measured
from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline import tasks
from pipeline.job import Job
from pipeline.jobs import load_job
from pipeline.local.airflow_api import UNFINISHED, AirflowApi, wait_for_dag
from pipeline.local.airflow_services import AirflowPlan, prepare_airflow, start_airflow
from pipeline.local.processes import Service, end_services
from pipeline.local.runs import explain_failure
from pipeline.local.services import REPOSITORY, LocalServices, start_services, stop_services
from pipeline.settings import Settings
from pipeline.tasks.runs import read_run

REPORT = Path("reports/bench-overhead.json")
JOB = "flight_delays"
DAG = f"nightly_scoring_{JOB}"
LANDED = (date(2013, 1, 1), date(2013, 4, 12))
TRAINED_ON = "2013-03-30"
FIRST_NIGHT = date(2013, 3, 31)
EXECUTORS = {"LocalExecutor": "LocalExecutor", "WarmLocalExecutor": "nightjar_executor.WarmLocalExecutor"}
CHAIN = (
    "resolve_partition",
    "wait_for_deliveries",
    "ingest",
    "validate",
    "build_features",
    "score",
    "publish",
)
"""Until predictions are live; what comes after keeps no reader waiting."""
PARTS = ("scheduling", "starting", "work")
WAIT_SECONDS = 300.0


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    executors: Report = {}
    night = FIRST_NIGHT
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.from_environment({"NIGHTJAR_HOME": home, "NIGHTJAR_PARALLEL": "inline"})
        with _services(settings) as services:
            job = _prepare(services.settings)
            for name, executor in EXECUTORS.items():
                # The first night of an Airflow compiles and caches what later ones find.
                nights = [night + timedelta(days=number) for number in range(arguments.nights + 1)]
                executors[name] = _summarise(_run_on_airflow(services, job, executor, nights)[1:])
                night = nights[-1] + timedelta(days=1)
            nights = [night + timedelta(days=number) for number in range(arguments.nights)]
            alone = [_run_alone(services.settings, day) for day in nights]
            report = {
                "command": describe_command("benchmarks.overhead"),
                "nights": arguments.nights,
                "executors": executors,
                "one_process_seconds": round(statistics.median(alone), 1),
                "machine": describe_machine(),
                "versions": describe_versions(services.settings.redis_url.get_secret_value()),
            }
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, choices=range(1, 4), default=3, help="nights that count, each way")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


@contextmanager
def _services(settings: Settings) -> Iterator[LocalServices]:
    try:
        yield start_services(settings)
    finally:
        stop_services(settings.home)


def _prepare(settings: Settings) -> Job:
    """Land the data and train a champion."""
    workspace = tasks.open_workspace(settings)
    job = load_job(settings, JOB)
    tasks.land_upstream(workspace, job, *LANDED)
    _nightjar(settings, "train", JOB, "--partition", TRAINED_ON, "--who", "benchmarks")
    return job


def _nightjar(settings: Settings, *arguments: str) -> float:
    """Seconds that a command takes."""
    environment = {"PATH": os.environ["PATH"], **settings.to_environment()}
    return run_measured([str(Path(sys.executable).with_name("nightjar")), *arguments, "--json"], environment).seconds


def _run_alone(settings: Settings, night: date) -> float:
    return _nightjar(settings, "run", JOB, "--partition", night.isoformat())


def _run_on_airflow(
    services: LocalServices, job: Job, executor: str, nights: Sequence[date]
) -> list[dict[str, dict[str, float]]]:
    """Seconds of every night, by task and part."""
    plan = AirflowPlan(
        home=services.settings.home,
        dags=REPOSITORY / "dags",
        port=int(services.airflow_url.rpartition(":")[2]),
        credentials=services.credentials,
        variables={**services.settings.to_environment(), "AIRFLOW__CORE__EXECUTOR": executor},
    )
    started: list[Service] = []
    prepare_airflow(plan)
    with closing(services.connect_api()) as api:
        start_airflow(plan, api, started.append)
        try:
            wait_for_dag(api, DAG, since=services.since, seconds=WAIT_SECONDS)
            api.unpause(DAG)
            return [_run_night(services.settings, job, api, night.isoformat()) for night in nights]
        finally:
            end_services(started)


def _run_night(settings: Settings, job: Job, api: AirflowApi, partition: str) -> dict[str, dict[str, float]]:
    run = api.trigger(DAG, {"partition": partition})
    deadline = time.monotonic() + WAIT_SECONDS
    while api.read_run(DAG, run)["state"] in UNFINISHED:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{run} has not ended after {WAIT_SECONDS:.0f} s")
        time.sleep(0.5)
    ended = api.read_run(DAG, run)
    if ended["state"] != "success":
        raise explain_failure(api, DAG, run)
    records = read_run(tasks.open_workspace(settings), job, partition)["stages"]
    work = {record["stage"]: record["seconds"] for record in records}
    return _divide(_moment(ended["queued_at"]), {task["task_id"]: task for task in api.list_tasks(DAG, run)}, work)


def _divide(
    asked: datetime, instances: dict[str, dict[str, Any]], work: dict[str, float]
) -> dict[str, dict[str, float]]:
    divided, before = {}, asked
    for name in CHAIN:
        start, end = _moment(instances[name]["start_date"]), _moment(instances[name]["end_date"])
        worked = work.get(name, 0.0)
        divided[name] = {
            "scheduling": (start - before).total_seconds(),
            "starting": (end - start).total_seconds() - worked,
            "work": worked,
        }
        before = end
    return divided


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _summarise(nights: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians by task and part, and of the whole night by part."""
    by_task = {
        task: {part: round(statistics.median(night[task][part] for night in nights), 2) for part in PARTS}
        for task in CHAIN
    }
    totals = {
        part: round(statistics.median(sum(night[task][part] for task in CHAIN) for night in nights), 1)
        for part in PARTS
    }
    whole = statistics.median(sum(night[task][part] for task in CHAIN for part in PARTS) for night in nights)
    return {"seconds": round(whole, 1), **totals, "tasks": by_task}


def _print_table(report: Report) -> None:
    table = Table(title="Seconds of a night of about 900 rows, until its predictions are live")
    for column in ("how", "whole", *PARTS):
        table.add_column(column, justify="left" if column == "how" else "right")
    for name, took in report["executors"].items():
        table.add_row(name, f"{took['seconds']:.1f}", *(f"{took[part]:.1f}" for part in PARTS))
    table.add_row("nightjar run, one process", f"{report['one_process_seconds']:.1f}", "", "", "")
    tasks_table = Table(title="Seconds a task with the WarmLocalExecutor")
    for column in ("task", *PARTS):
        tasks_table.add_column(column, justify="left" if column == "task" else "right")
    for task, parts in report["executors"]["WarmLocalExecutor"]["tasks"].items():
        tasks_table.add_row(task, *(f"{parts[part]:.2f}" for part in PARTS))
    console = Console()
    console.print(table, tasks_table)
    console.print(f"see {REPORT}")


if __name__ == "__main__":
    main()
