"""A job at a glance: a year of nights as columns, alarms, what was done to releases, and the models."""

from __future__ import annotations

from typing import Any

from pipeline.digests import digest_json
from pipeline.job import Job
from pipeline.stores.lake import StoredFile
from pipeline.stores.ledger_events import find_challenger, find_champion, find_standing, list_versions
from pipeline.stores.monitoring import MonitoringRecords, partition_of
from pipeline.stores.remembered import RememberedFiles
from pipeline.tasks.viewing.history import list_episodes, list_held, list_marks
from pipeline.tasks.viewing.nights import describe_night
from pipeline.tasks.viewing.series import condense_graded, condense_observed, lay_out
from pipeline.tasks.viewing.titles import name_signals
from pipeline.tasks.workspace import Workspace

NIGHTS = 365
"""Nights that are shown, the newest partitions."""

SHOWN_EPISODES = 100

Memory = RememberedFiles[dict[str, Any]]


def identify_view(workspace: Workspace, job: Job) -> str:
    """A digest that is another one as soon as :func:`view_job` would be."""
    newest = [f"runs/{partition_of(file)}" for file in workspace.monitoring(job).files("observed")[-1:]]
    folders = ("monitoring", "release_log", "models", "data_docs/nights", "cards", *newest)
    files = [
        (file.path, file.bytes, file.modified.isoformat())
        for folder in folders
        for file in workspace.lake.walk(f"jobs/{job.name}/{folder}")
    ]
    return digest_json([describe_job(job), workspace.settings.runbooks, files])


def view_job(workspace: Workspace, job: Job, memory: Memory) -> dict[str, Any]:
    """Everything that the job's page shows but for what is live at the moment.

    Args:
        memory: keeps what was read of the records of nights.

    Returns:
        ``job``; the columns of :func:`lay_out`; ``episodes``, ``marks``, ``held`` and ``models``; ``newest``, the
        newest night in full, and ``newest_graded``, the newest grading, None where there is none.

    Raises:
        DamagedError: a record, the release log or the model ledger cannot be read.
    """
    records = workspace.monitoring(job)

    def make_observed(file: StoredFile) -> dict[str, Any]:
        night = records.find_observed(partition_of(file))
        return {} if night is None else condense_observed(night)

    def make_graded(file: StoredFile) -> dict[str, Any]:
        night = records.find_graded(partition_of(file))
        return {} if night is None else condense_graded(night)

    observed = [row for row in memory.recall(records.files("observed")[-NIGHTS:], make_observed) if row]
    graded = [row for row in memory.recall(records.files("graded")[-NIGHTS:], make_graded) if row]
    columns = lay_out(observed, graded)
    releases = workspace.release_log(job).events()
    decisions = workspace.ledger(job).events()
    first = columns["partitions"][0] if observed else ""
    return {
        "job": describe_job(job),
        **columns,
        "episodes": list_episodes(records.alarms.events(), workspace.settings.runbooks)[:SHOWN_EPISODES],
        "marks": [mark for mark in list_marks(releases, decisions) if mark["partition"] >= first],
        "held": list_held(releases),
        "models": _list_models(workspace, job),
        "newest": describe_night(workspace, job, columns["partitions"][-1]) if observed else None,
        "newest_graded": _read_grading(records, graded[-1]["partition"]) if graded else None,
    }


def _read_grading(records: MonitoringRecords, partition: str) -> dict[str, Any] | None:
    graded = records.find_graded(partition)
    return None if graded is None else graded.model_dump(mode="json")


def describe_job(job: Job) -> dict[str, Any]:
    """What the declaration says that a page shows."""
    return {
        "name": job.name,
        "description": job.description,
        "owner": job.owner.model_dump(),
        "task": job.task,
        "timezone": job.timezone,
        "decision_threshold": job.decision_threshold,
        "cost_unit": job.cost_unit,
        "titles": name_signals(job),
        "monitoring": job.monitoring.model_dump(mode="json"),
    }


def _list_models(workspace: Workspace, job: Job) -> list[dict[str, Any]]:
    """Every version, the newest first, with what was decided of it last and why."""
    events = workspace.ledger(job).events()
    champion, challenger = find_champion(events), find_challenger(events)
    cards = workspace.cards(job)
    listed = []
    for known in reversed(list_versions(events)):
        last, registration = find_standing(events, known.version), known.registration
        role = {champion: "champion", challenger: "challenger"}.get(known.version)
        listed.append(
            {
                "version": known.version,
                "role": role,
                "standing": last.kind,
                "holds_from": last.holds_from,
                "registered_at": known.registered_at,
                "trained_through": registration.trained_through or registration.partition,
                "metrics": registration.metrics,
                "who": last.who,
                "at": last.at,
                "why": last.why,
                "has_card": cards.exists(known.version),
            }
        )
    return listed
