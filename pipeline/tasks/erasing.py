"""Erase an entity everywhere: deliveries, outputs of stages with their quarantine, tiles, generations in Redis.

What lies in the lake keeps its name: ``docs/decisions/0009-erasure.md`` says why, and what follows from it.  The report
of an erasure holds a salted hash in the place of the id:

    jobs/<job>/erasures/000001.json, 000002.json, …
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from pipeline.errors import RefusedError, UnavailableError
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.keyspace import check_entity_id
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
_ATTEMPTS = 50
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


def find_entity(workspace: Workspace, job: Job, entity_id: str) -> Report:
    """What an erasure would take out, and where; nothing is changed.

    Returns:
        ``found`` (objects with ``what``, ``where``, ``rows``), ``unread`` (files that could not be searched),
        ``not_touched``, ``other_jobs`` (that share sources with this one) and ``erased_before`` (when, and by whom).

    Raises:
        BadInputError: this cannot be an entity id.
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
        UnavailableError: Redis does not take it.
    """
    decision = Decision.make(job.name, who, why, workspace.clock())
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
        report = {**again, "entity": _hash_id(entity_id), **vars(decision), "found": found, "left": again["found"]}
        _write_report(workspace, job, report)
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
    reports = [workspace.lake.read_json(f"{_folder(job)}/{name}") for name in workspace.lake.list(_folder(job))]
    return [
        {"at": report["at"], "who": report["who"]}
        for report in reports
        if _scrypt(entity_id, bytes.fromhex(report["entity"]["salt"])) == report["entity"]["scrypt"]
    ]


def _hash_id(entity_id: str) -> dict[str, str]:
    salt = secrets.token_bytes(16)
    return {"salt": salt.hex(), "scrypt": _scrypt(entity_id, salt)}


def _scrypt(entity_id: str, salt: bytes) -> str:
    return hashlib.scrypt(entity_id.encode(), salt=salt, **_SCRYPT).hex()


@contextmanager
def _claim(workspace: Workspace, job: Job, decision: Decision) -> Iterator[None]:
    """Be the only erasure in the lake: two would overwrite one another's records of what is redacted."""
    lake = workspace.lake
    claim = {"job": job.name, **vars(decision)}
    if not lake.put_json_if_absent(CLAIM, claim):
        other = lake.read_json(CLAIM)
        if workspace.clock() - datetime.fromisoformat(other["at"]) < CLAIMED_FOR:
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


def _write_report(workspace: Workspace, job: Job, report: Report) -> None:
    folder = _folder(job)
    for _ in range(_ATTEMPTS):
        number = len(workspace.lake.list(folder)) + 1
        if workspace.lake.put_json_if_absent(f"{folder}/{number:06d}.json", {"number": number, **report}):
            return
    raise UnavailableError(
        "the report of the erasure could not be written",
        job=job.name,
        expected=f"a free number in {workspace.lake.url(folder)}",
        found=f"{_ATTEMPTS} numbers that others took first",
        next_step="erase again: it finds everything done, and writes a report",
    )


def _folder(job: Job) -> str:
    return f"jobs/{job.name}/erasures"
