"""Asking for a training although the summary that would say so is lost: from the log of alarms alone."""

from __future__ import annotations

from pipeline.job import Job
from pipeline.tasks.labelling import list_label_days
from pipeline.tasks.monitoring.alarming import explain_training, find_kind
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace


def find_ask(workspace: Workspace, job: Job, run: str) -> Summary:
    """What the alarms that a run has raised call for, whatever has become of the run since.

    Returns:
        ``ask``, as :func:`watch` and :func:`grade_closed` return it; ``partition``: the newest day that an alarm of the
        run knew, None if it raised none.

    Raises:
        DamagedError: the log of alarms cannot be read.
    """
    events = [event for event in workspace.monitoring(job).alarms.events() if event.run == run]
    days = [
        event.partition if find_kind(event.signal) == "observed" else list_label_days(job, event.partition)[-1]
        for event in events
    ]
    return {"partition": max(days, default=None), "ask": explain_training(events)}
