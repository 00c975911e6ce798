"""Erase an entity everywhere: deliveries, outputs of stages with their quarantine, tiles, generations in Redis.

What lies in the lake keeps its name: ``docs/decisions/0009-erasure.md`` says why, and what follows from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from pipeline.errors import RefusedError
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.keyspace import check_entity_id
from pipeline.stores.erasure_reports import ErasureReport, hash_id, open_erasure_reports
from pipeline.stores.predictions import Decision
from pipeline.tasks.entity_files import EntityFiles
from pipeline.tasks.workspace import Workspace

Report = dict[str, Any]
Progress = Callable[[str], None]
"""Called with what is being done."""

CLAIM = "erasures/running.json"
CLAIMED_FOR = timedelta(hours=1)
"""An erasure that was begun longer ago is given up for dead; the next one takes over."""

NOT_TOUCHED = (
    "models: they are not trained again; a training after the erasure does not know the entity",
    "counts and sums over many entities (tiles, profiles, metrics), which hold no row of it",
    "backups, and what Redis has on its own disk until it rewrites that",
)


def find_entity(workspace: Workspace, job: Job, entity_id: str) -> Report:
    """What an erasure would take out, and where; nothing is changed.

    Returns:
        ``found`` (objects with ``what``, ``where``, ``rows``), ``unread`` (files that could not be searched),
        ``not_touched``, ``other_jobs`` (that share sources with this one) and ``erased_before`` (when, and by whom).

    Raises:
        BadInputError: this cannot be an entity id.
        DamagedError: a report of an earlier erasure is missing or cannot be read.
        UnavailableError: Redis does not answer.
    """
    check_entity_id(entity_id)
    files = EntityFiles(workspace, job, entity_id)
    found = [{"what": folder.what, "where": folder.path, "rows": sum(folder.rows.values())} for folder in files.find()]
    found += [
        _describe_holding(holding.generation, holding.is_loading)
        for holding in workspace.predictions.find_entity(job.name, entity_id)
    ]
    return {
        "job": job.name,
        "found": found,
        "unread": files.unread,
        "not_touched": list(NOT_TOUCHED),
        "other_jobs": _find_sharing_jobs(workspace, job),
        "erased_before": _find_reports(workspace, job, entity_id),
    }


def erase_entity(
    workspace: Workspace, job: Job, entity_id: str, *, who: str, why: str, progress: Progress = lambda what: None
) -> Report:
    """Take an entity out of everything that :func:`find_entity` finds, and write a report without its id.

    Repeat it if it breaks: what was done is found done.

    Returns:
        The report: as :func:`find_entity`, and ``entity`` (salted hash), ``who``, ``why``, ``at``, and ``left``: what
        is there after all, because a run that was under way has written it meanwhile.

    Raises:
        BadInputError: this cannot be an entity id, or nobody is named, or no reason is given.
        RefusedError: another erasure is under way.
        DamagedError: a report of an earlier erasure is missing or cannot be read.
        UnavailableError: Redis does not take it.
    """
    decision = Decision.make(job.name, who, why, workspace.wall_clock())
    check_entity_id(entity_id)
    with _claim(workspace, job, decision):
        files = EntityFiles(workspace, job, entity_id)
        found = []
        for folder in files.find():
            progress(folder.path)
            files.erase(folder)
            found.append({"what": folder.what, "where": folder.path, "rows": sum(folder.rows.values())})
        progress("Redis")
        found += [
            _describe_holding(holding.generation, holding.is_loading)
            for holding in workspace.predictions.erase_entity(job.name, entity_id)
        ]
        progress("looking again")
        again = find_entity(workspace, job, entity_id)
        report = {**again, "entity": hash_id(entity_id), **vars(decision), "found": found, "left": again["found"]}
        open_erasure_reports(workspace.lake, job.name).append(lambda number: ErasureReport(number=number, **report))
    return report


def count_found(report: Report) -> list[tuple[str, int, int]]:
    """What a report found: kind, places, rows."""
    places, rows = Counter[str](), Counter[str]()
    for item in report["found"]:
        places[item["what"]] += 1
        rows[item["what"]] += item["rows"]
    return [(what, places[what], rows[what]) for what in places]


def _describe_holding(generation: str, is_loading: bool) -> dict[str, Any]:
    if is_loading:
        return {"what": "load under way, given up", "where": generation, "rows": 0}
    return {"what": "generation in Redis", "where": generation, "rows": 1}


def _find_sharing_jobs(workspace: Workspace, job: Job) -> list[str]:
    """Jobs whose own outputs may hold the same rows: they are erased from by their own names."""
    sources = {source.name for source in job.sources}
    return [
        other.name
        for other in load_jobs(workspace.settings)
        if other.name != job.name and sources & {source.name for source in other.sources}
    ]


def _find_reports(workspace: Workspace, job: Job, entity_id: str) -> list[dict[str, str]]:
    reports = open_erasure_reports(workspace.lake, job.name).events()
    return [{"at": report.at, "who": report.who} for report in reports if report.is_of(entity_id)]


@contextmanager
def _claim(workspace: Workspace, job: Job, decision: Decision) -> Iterator[None]:
    """Be the only erasure in the lake: two would overwrite one another's records of what is redacted."""
    lake = workspace.lake
    claim = {"job": job.name, **vars(decision)}
    if not lake.put_json_if_absent(CLAIM, claim):
        other = lake.read_json(CLAIM)
        if workspace.wall_clock() - datetime.fromisoformat(other["at"]) < CLAIMED_FOR:
            raise RefusedError(
                "another erasure is under way",
                job=job.name,
                expected="one erasure at a time",
                found=f"one of {other['job']} by {other['who']}, since {other['at']}",
                next_step=f"wait for it; if it died, it is taken over after {CLAIMED_FOR}",
            )
        lake.replace_json(CLAIM, claim)
    try:
        yield
    finally:
        lake.remove(CLAIM)
