"""Tell a job's owner what went wrong: a line in the log, and a POST to the webhook if there is one.

An alert carries what Nightjar's own errors say.  Of any other exception it carries the type alone, since its message
may quote rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import NightjarError, RefusedError, escape_controls
from pipeline.job import Owner
from pipeline.settings import Settings
from pipeline.stores.alerts import post_alert

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlertOwner:
    """Failure callback of every task of ``job``; called by Airflow once no retry is left."""

    job: str
    owner: Owner

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Log the alert, then post it."""
        alert = describe_failure(self.job, self.owner, context)
        log.error("%s", alert["text"])
        post_alert(Settings.from_environment().alert_webhook, alert)


@dataclass(frozen=True)
class AlertOfEmptyRun:
    """Success callback of every DAG of ``job``: a run that had no task to run did not do what it was asked for.

    Airflow makes no tasks for a run triggered by hand whose logical date lies outside the DAG's start and end, and
    counts it as a success.
    """

    job: str
    owner: Owner

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Log and post an alert if no task of the run has run."""
        if context.get("ti") is not None:
            return
        error = RefusedError(
            "the run counts as a success, but it had no task to run",
            job=self.job,
            expected="a run without a logical date, or with one between the DAG's start and end",
            found=f"run {context['run_id']}",
            next_step="trigger the DAG again with the param partition, and clear the form's logical date",
        )
        text = f"Nightjar: {error.problem} (job={self.job}, run={context['run_id']}, owner={self.owner.name} "
        text += f"<{self.owner.email}>, next_step={error.next_step!r})"
        log.error("%s", text)
        alert = {"text": text, "job": self.job, "run": context["run_id"], "owner": self.owner.model_dump()}
        post_alert(Settings.from_environment().alert_webhook, alert | {"error": error.to_json()})


def describe_failure(job: str, owner: Owner, context: Mapping[str, Any]) -> dict[str, Any]:
    """The alert as a JSON object; ``text`` is the one line for people (and for chat webhooks)."""
    instance = context["ti"]
    error = _describe_error(context.get("exception"))
    partition = error["partition"] or _find_partition(context)
    facts = [
        f"job={job}",
        f"partition={partition or 'unknown'}",
        f"task={instance.task_id}",
        f"run={instance.run_id}",
        f"try={instance.try_number}",
        f"owner={owner.name} <{owner.email}>",
    ]
    facts += [f"{name}={error[name]!r}" for name in ("expected", "found", "next_step") if error[name]]
    return {
        "text": escape_controls(f"Nightjar: {error['error']}: {error['problem']} ({', '.join(facts)})"),
        "job": job,
        "partition": partition,
        "dag": instance.dag_id,
        "task": instance.task_id,
        "run": instance.run_id,
        "try": instance.try_number,
        "log_url": getattr(instance, "log_url", None),
        "owner": owner.model_dump(),
        "error": error,
    }


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
