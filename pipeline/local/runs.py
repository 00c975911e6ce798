"""Following runs of a DAG until they end, and saying why one failed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pipeline.errors import NightjarError, UnavailableError
from pipeline.local.airflow_api import UNFINISHED, AirflowApi
from pipeline.local.processes import Service, read_log_end
from pipeline.local.steps import Step, Steps

FINISHED_TASK = ("success", "failed", "skipped", "upstream_failed", "removed")
POLL_SECONDS = 0.5
LOG_LINES = 25


def follow_runs(
    api: AirflowApi,
    dag: str,
    runs: dict[str, str],
    *,
    steps: Steps,
    services: Sequence[Service],
    timeout_seconds: float,
) -> None:
    """Wait until every run has succeeded, with a bar for each.

    Args:
        runs: title to run id, in the order in which they are shown.
        services: Airflow's processes; where one of them ends, waiting is in vain.

    Raises:
        NightjarError: a run failed; the message names the task and holds the end of its log.
        UnavailableError: Airflow ended, or ``timeout_seconds`` have passed.
    """
    deadline = time.monotonic() + timeout_seconds
    for title, run in runs.items():
        # Runs of a backfill come one after the other: each bar appears when the one before is full.
        with steps.step(title) as step:
            while not _has_succeeded(api, dag, run, step):
                _check_services(services)
                if time.monotonic() > deadline:
                    raise _overdue(dag, title, timeout_seconds)
                time.sleep(POLL_SECONDS)


def explain_failure(api: AirflowApi, dag: str, run: str) -> NightjarError:
    """An error that names the task that failed first and holds the end of its log."""
    failed = [task for task in api.list_tasks(dag, run) if task["state"] == "failed"]
    if not failed:
        return NightjarError(f"the run {run} of {dag} failed", found="none of its tasks failed", next_step="see the UI")
    first = min(failed, key=lambda task: task["end_date"] or "")
    lines = api.read_log(dag, run, first)
    return NightjarError(
        f"the task {first['task_id']} of {dag} failed",
        expected=f"the run {run} succeeds",
        found=f"the end of the task's log:\n{_indent(lines[-LOG_LINES:])}",
        next_step="read the whole log in the folder logs/tasks under NIGHTJAR_HOME, correct the cause, run it again",
    )


def find_backfill_runs(api: AirflowApi, dag: str, partitions: Sequence[str]) -> dict[str, str]:
    """Run ids by partition, for the partitions that Airflow has a dated run of."""
    started = {str(run["data_interval_start"])[:10]: run["dag_run_id"] for run in api.list_runs(dag) if _dated(run)}
    return {partition: started[partition] for partition in partitions if partition in started}


def _dated(run: dict[str, Any]) -> bool:
    return run["data_interval_start"] is not None and run["run_type"] != "manual"


def _has_succeeded(api: AirflowApi, dag: str, run: str, step: Step) -> bool:
    state = str(api.read_run(dag, run)["state"])
    tasks = api.list_tasks(dag, run)
    done = sum(task["state"] in FINISHED_TASK for task in tasks)
    busy = [_describe_task(task) for task in tasks if task["state"] not in (None, *FINISHED_TASK)]
    step.show(done, max(len(tasks), 1), ", ".join(busy))
    if state not in (*UNFINISHED, "success"):
        raise explain_failure(api, dag, run)
    return state == "success"


def _describe_task(task: dict[str, Any]) -> str:
    return str(task["task_id"]) if task["state"] == "running" else f"{task['task_id']} ({task['state']})"


def _check_services(services: Sequence[Service]) -> None:
    for service in services:
        if service.process() is None:
            raise UnavailableError(
                f"{service.name} has ended while runs were under way",
                found=f"the end of {service.log}:\n{read_log_end(service.log)}",
            )


def _overdue(dag: str, title: str, seconds: float) -> UnavailableError:
    return UnavailableError(
        f"runs of {dag} did not end in time",
        expected=f"all have ended after {seconds:.0f} s",
        found=f"still under way: {title}",
        next_step="`nightjar up` leaves Airflow running, so that its UI shows what they wait for",
    )


def _indent(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines) or "    (empty)"
