"""One night in full: its stages, what was quarantined and why, its signals, drift and grading."""

from __future__ import annotations

from typing import Any

from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.monitoring import Observed
from pipeline.stores.data_docs import DataDocs
from pipeline.stores.monitoring import MonitoringRecords, partition_of
from pipeline.stores.night_reports import NightReports
from pipeline.tasks.partitions import parse_partition
from pipeline.tasks.runs import read_run
from pipeline.tasks.viewing.history import list_episodes, list_marks
from pipeline.tasks.workspace import Workspace

_STAGE = ("stage", "state", "started_at", "seconds", "rows", "peak_memory_mib", "error")


def view_night(workspace: Workspace, job: Job, partition: str, run: str | None = None) -> dict[str, Any]:
    """Everything that is known of a night, with its neighbours.

    Args:
        run: whose stages are shown; default: the run that was watched, else the newest.

    Returns:
        What :func:`describe_night` does, with ``marks`` and ``episodes`` of the night, and the partitions ``previous``
        and ``next`` to it that were watched.

    Raises:
        BadInputError: ``partition`` is no date.
        NotReadyError: nothing is known of it.
    """
    parse_partition(partition, job)
    records = workspace.monitoring(job)
    night = describe_night(workspace, job, partition, run)
    watched = [partition_of(file) for file in records.files("observed")]
    marks = list_marks(workspace.release_log(job).events(), workspace.ledger(job).events())
    episodes = list_episodes(records.alarms.events(), workspace.settings.runbooks)
    return {
        **night,
        "marks": [mark for mark in marks if mark["partition"] == partition],
        "episodes": [
            episode
            for episode in episodes
            if episode["since"] <= partition and (episode["resolved_by"] is None or partition <= episode["resolved_by"])
        ],
        "previous": max((other for other in watched if other < partition), default=None),
        "next": min((other for other in watched if other > partition), default=None),
    }


def describe_night(workspace: Workspace, job: Job, partition: str, run: str | None = None) -> dict[str, Any]:
    """One night by its records.

    Returns:
        ``partition``; ``observed`` and ``graded``, the records, None where there is none; ``run``, its ``stages`` and
        ``accounting``; ``moved``, what moved the scores of the generation that was watched, None where nobody asked;
        ``docs``, what the Data Docs say of the night, or None; ``has_report``.

    Raises:
        NotReadyError: there is neither a record nor a run.
    """
    records = workspace.monitoring(job)
    observed, graded = records.find_observed(partition), records.find_graded(partition)
    try:
        done = read_run(workspace, job, partition, run or (None if observed is None else observed.run))
    except NotReadyError:
        if observed is None:
            raise
        done = {"run": observed.run, "stages": [], "accounting": {}}
    return {
        "partition": partition,
        "observed": None if observed is None else observed.model_dump(mode="json"),
        "graded": None if graded is None else graded.model_dump(mode="json"),
        "moved": _find_moved(records, observed),
        "run": done["run"],
        "stages": [{name: stage.get(name) for name in _STAGE} for stage in done["stages"]],
        "accounting": done["accounting"],
        "has_report": NightReports(workspace.lake, job.name).exists(partition),
        "docs": DataDocs(workspace.lake, job.name).find_night(partition),
    }


def _find_moved(records: MonitoringRecords, observed: Observed | None) -> dict[str, Any] | None:
    """What moved the scores; that of an earlier generation of the night says nothing of this one."""
    moved = None if observed is None else records.find_moved(observed.partition)
    if observed is None or moved is None or moved.generation != observed.generation:
        return None
    return moved.model_dump(mode="json")
