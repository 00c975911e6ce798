"""Airflow's notifiers: tell a job's owner what went wrong, and of alarms that the night raised or resolved.

An alert carries what Nightjar's own errors say.  Of any other exception it carries the type alone, since its message
may quote rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from pipeline.alerts import FAILED_NIGHT, Alert, link_runbook
from pipeline.digests import digest_json
from pipeline.errors import NightjarError, RefusedError
from pipeline.job import Job
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.tasks import Workspace

PARTS = ("expected", "found")

AFTER_RELEASE = frozenset({"watch", "ask_for_training"})
"""Tasks of a night that are none of its predictions: readers have them, so nobody is woken and nothing recovers."""


class NightjarNotifier(BaseNotifier, ABC):
    """Tells people of ``job`` by the channels that the settings name: log, webhook, mail.

    Airflow calls task callbacks where the task ran, and those of a DAG in the DAG processor.  Both are synchronous.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job

    def notify(self, context: Mapping[str, Any]) -> None:
        """Tell what the context calls for."""
        from pipeline import tasks

        self.tell(tasks.open_workspace(Settings.from_environment()), context)

    @abstractmethod
    def tell(self, workspace: Workspace, context: Mapping[str, Any]) -> None:
        """What a kind of notifier has to tell."""


class AlertOwner(NightjarNotifier):
    """Failure callback of every task; called by Airflow once no retry is left."""

    def tell(self, workspace: Workspace, context: Mapping[str, Any]) -> None:
        """The task, its night, and what its error says."""
        from pipeline import tasks

        failure = describe_failure(self.job, context, workspace.clock(), workspace.settings.runbooks)
        tasks.tell_failure(workspace, self.job, failure)


class AlertOfEmptyRun(NightjarNotifier):
    """Success callback of every DAG: a run that had no task to run did not do what it was asked for.

    Airflow makes no tasks for a run triggered by hand whose logical date lies outside the DAG's start and end, and
    counts it as a success.
    """

    def tell(self, workspace: Workspace, context: Mapping[str, Any]) -> None:
        """The run, if no task of it has run."""
        from pipeline import tasks

        if context.get("ti") is None:
            empty = describe_empty_run(self.job, context, workspace.clock(), workspace.settings.runbooks)
            tasks.tell_failure(workspace, self.job, empty)


class TellAlarms(NightjarNotifier):
    """Callback of the tasks that watch, however they end: tells what was raised or resolved and is not told yet."""

    def tell(self, workspace: Workspace, context: Mapping[str, Any]) -> None:
        """Every alarm that is not told."""
        from pipeline import tasks

        tasks.tell_alarms(workspace, self.job)


def tell_either_way(job: Job) -> dict[str, list[BaseNotifier]]:
    """Callbacks of a task that watches: what it raised before it failed is told as well."""
    return {"on_success_callback": [TellAlarms(job)], "on_failure_callback": [AlertOwner(job), TellAlarms(job)]}


def describe_failure(job: Job, context: Mapping[str, Any], now: datetime, runbooks: str) -> Alert:
    """The alert of a task that failed; what is served is not in it yet."""
    instance = context["ti"]
    error = _describe_error(context.get("exception"))
    partition = error["partition"] or _find_partition(context)
    is_released = instance.task_id in AFTER_RELEASE
    is_night = partition is not None and instance.dag_id.startswith("nightly_scoring_") and not is_released
    facts = {"task": instance.task_id, "run": instance.run_id, "try": str(instance.try_number)}
    facts |= {name: repr(error[name]) for name in PARTS if error[name]}
    same = [instance.dag_id, partition or instance.run_id, instance.task_id, error["error"], error["problem"]]
    return Alert(
        id=digest_json(same)[:16],
        job=job.name,
        owner=job.owner,
        severity="warning" if is_released else "critical",
        kind="failed",
        subject=instance.task_id,
        problem=f"{error['error']}: {error['problem']}",
        at=_stamp(now),
        partition=partition,
        facts=facts,
        next_step=error["next_step"],
        runbook=link_runbook(runbooks, FAILED_NIGHT),
        details={
            "dag": instance.dag_id,
            "task": instance.task_id,
            "run": instance.run_id,
            "try": instance.try_number,
            "log_url": getattr(instance, "log_url", None),
            "error": error,
        },
        releases=0 if is_night else None,
    )


def describe_empty_run(job: Job, context: Mapping[str, Any], now: datetime, runbooks: str) -> Alert:
    """The alert of a run that had nothing to run."""
    error = RefusedError(
        "the run counts as a success, but it had no task to run",
        job=job.name,
        expected="a run without a logical date, or with one between the DAG's start and end",
        found=f"run {context['run_id']}",
        next_step="trigger the DAG again with the param partition, and clear the form's logical date",
    )
    return Alert(
        id=digest_json(["empty", context["run_id"]])[:16],
        job=job.name,
        owner=job.owner,
        severity="warning",
        kind="failed",
        subject="run",
        problem=error.problem,
        at=_stamp(now),
        facts={"run": context["run_id"], "expected": repr(error.expected)},
        next_step=error.next_step,
        runbook=link_runbook(runbooks, FAILED_NIGHT),
        details={"run": context["run_id"], "error": error.to_json()},
    )


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")


def _describe_error(error: BaseException | str | None) -> dict[str, Any]:
    if isinstance(error, NightjarError):
        return error.to_json()
    # Airflow knows no exception of a process that was killed from outside.
    kind = "task ended from outside" if error is None or isinstance(error, str) else type(error).__name__
    return NightjarError("an error that Nightjar did not foresee", next_step="read the task's log").to_json() | {
        "error": kind
    }


def _find_partition(context: Mapping[str, Any]) -> str | None:
    """The partition that the task was called with, itself or in the summary before it; else the one a person gave."""
    task = context.get("task")
    arguments = [*getattr(task, "op_args", ()), *getattr(task, "op_kwargs", {}).values()]
    for value in [*arguments[1:], context.get("params", {}).get("partition")]:
        partition = value.get("partition") if isinstance(value, Mapping) else value
        # Where the task never ran, its arguments are still references.
        if isinstance(partition, str):
            return partition
    return None
