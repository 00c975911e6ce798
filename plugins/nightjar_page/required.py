"""What waits for the answer of a person under Airflow's *Required actions*."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select


def list_questions(user: BaseUser, dags: Collection[str]) -> list[dict[str, Any]]:
    """The questions of these DAGs that nobody has answered, of those that the user may read, oldest first."""
    manager = get_auth_manager()
    readable = [
        dag
        for dag in dags
        if manager.is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.HITL_DETAIL, details=DagDetails(id=dag), user=user
        )
    ]
    with create_session() as session:
        query = (
            select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, HITLDetail.subject)
            .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
            .where(TaskInstance.dag_id.in_(readable), HITLDetail.responded_at.is_(None))
            .order_by(HITLDetail.created_at)
        )
        return [
            {"dag": dag, "run": run, "task": task, "subject": subject}
            for dag, run, task, subject in session.execute(query)
        ]
