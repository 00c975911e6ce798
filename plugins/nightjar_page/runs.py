"""Which partition a DAG run worked on, as its first task resolved it."""

from __future__ import annotations

from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

RESOLVED_BY = "resolve_partition"


def find_partition(dag_id: str, run_id: str) -> str | None:
    """The partition of a run; None until it is resolved."""
    with create_session() as session:
        query = XComModel.get_many(run_id=run_id, dag_ids=[dag_id], task_ids=[RESOLVED_BY], key="return_value")
        row = session.execute(query.limit(1)).first()
        return None if row is None else str(XComModel.deserialize_value(row[0]))
