"""What follows on a night that was watched or graded: what moved its scores, and a report for people.

Both are worth having and neither is worth failing for: what goes wrong is a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.monitoring import Observed
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.shifting import explain_shift
from pipeline.tasks.viewing.reports import write_night_report
from pipeline.tasks.workspace import Workspace

MOVING = ("inputs", "outputs")
"""Monitors whose breach is explained by the features that moved the scores."""


def explain_breaches(workspace: Workspace, job: Job, seen: Observed) -> list[str]:
    """Write down which features moved the scores of a night whose inputs or outputs are unusual; warnings."""
    if not any(signal.breached and signal.monitor in MOVING for signal in seen.signals):
        return []
    return _attempt(
        "what moved the scores is not known", job, seen.partition, lambda: explain_shift(workspace, job, seen.partition)
    )


def refresh_report(workspace: Workspace, job: Job, partition: str) -> list[str]:
    """Write the night's report anew, with what is known by now; warnings."""
    return _attempt("the night has no report", job, partition, lambda: write_night_report(workspace, job, partition))


def _attempt(otherwise: str, job: Job, partition: str, work: Callable[[], Any]) -> list[str]:
    try:
        with conceal_rows(job.name, partition):
            work()
    except NightjarError as error:
        return [f"{otherwise}: {error.problem}"]
    except OSError as error:
        return [f"{otherwise}: {type(error).__name__}"]
    return []
