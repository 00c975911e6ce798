"""The jobs and stores that the page reads, opened once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings
from pipeline.stores.remembered import RememberedFiles
from pipeline.tasks import Workspace, open_workspace

NIGHTLY = "nightly_scoring_"
_REMEMBERED = 20_000
"""Nights that are kept in memory, a few kilobytes each: two records of a year of nights of 27 jobs."""


def name_dag(job: str) -> str:
    """The id of the job's nightly DAG."""
    return f"{NIGHTLY}{job}"


@cache
def open_stores() -> Workspace:
    """The stores of this installation."""
    return open_workspace(Settings.from_environment())


@cache
def remember_nights() -> RememberedFiles[dict[str, Any]]:
    """What this process has read of nights."""
    return RememberedFiles(_REMEMBERED)


@cache
def list_jobs() -> tuple[Job, ...]:
    """Every job that is declared."""
    return tuple(load_jobs(Settings.from_environment()))


def find_job(name: str) -> Job | None:
    """The job of that name, if there is one."""
    return next((job for job in list_jobs() if job.name == name), None)
