"""Who may see what: a job's page is for those who may read its nightly DAG, by the rules of Airflow's auth manager."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, HTTPException, Request

from nightjar_page.jobs import find_job, list_jobs, name_dag
from pipeline.job import Job


def authorise_job(job: str, request: Request, user: GetUserDep) -> Job:
    """The job that a path names.  Whether it exists is told to nobody who may not read its DAG."""
    requires_access_dag("GET", param_dag_id=name_dag(job))(request, user)
    found = find_job(job)
    if found is None:
        raise HTTPException(404, f"there is no job {job}")
    return found


def list_readable(user: GetUserDep) -> list[Job]:
    """The jobs whose DAG the user may read, by name."""
    dags = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return [job for job in list_jobs() if name_dag(job.name) in dags]


AuthorisedJob = Annotated[Job, Depends(authorise_job)]
ReadableJobs = Annotated[list[Job], Depends(list_readable)]
