"""What a command works with: the stores of this installation, and the job that it names."""

from __future__ import annotations

from pipeline import tasks
from pipeline.job import Job
from pipeline.jobs import load_job
from pipeline.settings import Settings


def open_job(name: str) -> tuple[tasks.Workspace, Job]:
    """The stores, not yet connected, and the job called ``name``."""
    settings = Settings.from_environment()
    return tasks.open_workspace(settings), load_job(settings, name)
