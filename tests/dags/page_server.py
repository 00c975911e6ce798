"""Airflow's API server in a process of its own, with its login: ``python -m tests.dags.page_server HOME``.

Prints its address once it listens.  Where everything is comes from the environment, see ``tests/dags/page_site.py``.
"""

from __future__ import annotations

import socket
from pathlib import Path

import uvicorn
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils.db import initdb

from tests.dags.scheduler import read_dags

DAG_FOLDER = Path(__file__).parents[2] / "dags"
HARBOUR = "harbour"
"""A user who may read the DAGs of ``tide_levels`` and no others."""


class HarbourAuthManager(SimpleAuthManager):
    """The simple one, whose roles count for every DAG alike, but for one user."""

    def is_authorized_dag(
        self,
        *,
        method: str,
        user: SimpleAuthManagerUser,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Whether the user may."""
        allowed = super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)  # type: ignore[arg-type]
        if user.username != HARBOUR or details is None or details.id is None:
            return allowed
        return allowed and details.id.endswith("tide_levels")


def main() -> None:
    """Make the database, read the DAGs, and serve until the process is ended."""
    initdb()
    read_dags(DAG_FOLDER)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - tells who started it
    uvicorn.Server(uvicorn.Config(create_app(), log_level="warning")).run([listener])


if __name__ == "__main__":
    main()
