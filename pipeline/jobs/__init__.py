"""The jobs: one folder each, and those that ``NIGHTJAR_JOBS`` names elsewhere.

A job's folder holds ``job.py`` with a ``JOB``.  See ``docs/jobs.md`` for how to declare one.
"""

from __future__ import annotations

import importlib
import pkgutil

from pipeline.errors import DeclarationError
from pipeline.job import Job
from pipeline.settings import Settings


def load_jobs(settings: Settings) -> list[Job]:
    """Every declared job, by name.

    Raises:
        DeclarationError: a declaration cannot be imported, is not valid, or two jobs have one name.
    """
    here = [f"{__name__}.{module.name}.job" for module in pkgutil.iter_modules(__path__) if module.ispkg]
    jobs: dict[str, Job] = {}
    for module in [*here, *settings.jobs]:
        job = _load_declaration(module)
        if job.name in jobs:
            raise DeclarationError(f"two jobs are called {job.name!r}", next_step=f"rename the one in {module}")
        jobs[job.name] = job
    return [jobs[name] for name in sorted(jobs)]


def load_job(settings: Settings, name: str) -> Job:
    """The job called ``name``.

    Raises:
        DeclarationError: there is none.
    """
    jobs = load_jobs(settings)
    for job in jobs:
        if job.name == name:
            return job
    raise DeclarationError(
        f"there is no job {name!r}",
        expected="one of " + ", ".join(job.name for job in jobs),
        next_step="see docs/jobs.md for declaring a job, or name its module in NIGHTJAR_JOBS",
    )


def _load_declaration(module: str) -> Job:
    try:
        job = importlib.import_module(module).JOB
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise DeclarationError(
            f"the job declared in {module} cannot be loaded",
            expected="a module with JOB = Job(…)",
            found=str(error),
            next_step="correct the declaration; docs/jobs.md shows one",
        ) from error
    if not isinstance(job, Job):
        raise DeclarationError(f"JOB in {module} is a {type(job).__name__}, not a Job")
    return job
