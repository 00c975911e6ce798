"""The task of feedback: grade what was served."""

from __future__ import annotations

from airflow.sdk import get_current_context, task

from nightjar_dags.partitions import read_request, resolve_graded_partition
from nightjar_dags.stages import Summary, open_job, run_name


@task
def grade(job: str) -> Summary:
    """Hold every served night whose labels have closed, or were corrected, against them, and write the record."""
    from pipeline import tasks

    workspace, declaration = open_job(job)
    partition = resolve_graded_partition(declaration, read_request(get_current_context()))
    return tasks.grade_closed(workspace, declaration, run_name(), partition=partition)
