"""A lake with nights of a job, a Redis that serves the newest, and an Airflow that shows them to who has logged in."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pipeline.job import Job
from pipeline.jobs import load_job
from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace
from tests.conftest import make_settings
from tests.dags.page_server import DAG_FOLDER, HARBOUR
from tests.monitoring_year.year import write_year

JOB = "flight_delays"
USERS = {"admin": "admin", "viewer": "viewer", HARBOUR: "viewer"}
JOBS = "tests.dags.jobs.tide_levels"
RUNBOOKS = "https://runbooks.example.org/nightjar"


def yesterday() -> str:
    """The newest partition, so that what is live is of this night."""
    return (datetime.now(UTC).date() - timedelta(days=1)).isoformat()


@dataclass
class PageSite:
    """Airflow with the page.

    Attributes:
        partitions: those that were written, oldest first.
    """

    home: Path
    redis_url: str
    nights: int
    category: str = "UA"
    url: str = ""
    partitions: list[str] = field(default_factory=list)

    def start(self) -> None:
        """Write the nights and start Airflow; it is stopped by :meth:`stop`."""
        self.partitions = write_year(
            self.workspace, self.job, last=yesterday(), nights=self.nights, category=self.category
        )
        (self.home / "passwords.json").write_text(json.dumps({user: user for user in USERS}))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.dags.page_server"],
            cwd=DAG_FOLDER.parent,
            env={**os.environ, **self._environment()},
            stdout=subprocess.PIPE,
            stderr=(self.home / "server.log").open("wb"),
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("http://"):
                self.url = line.strip()
                return
        raise AssertionError((self.home / "server.log").read_text()[-4000:])

    def stop(self) -> None:
        """End Airflow."""
        self._process.terminate()
        self._process.wait(60)

    @property
    def settings(self) -> Settings:
        """Where lake and Redis are."""
        return make_settings(self.home, self.redis_url)

    @property
    def job(self) -> Job:
        """The job whose nights were written."""
        return load_job(self.settings, JOB)

    @property
    def workspace(self) -> Workspace:
        """The stores behind the page."""
        return open_workspace(self.settings)

    @contextmanager
    def log_in(self, user: str) -> Iterator[httpx.Client]:
        """A client with the cookie of a user who logged in."""
        words = {"username": user, "password": user}
        with httpx.Client(base_url=self.url, timeout=120) as client:
            client.cookies.set("_token", client.post("/auth/token", json=words).json()["access_token"])
            yield client

    def _environment(self) -> dict[str, str]:
        options: dict[str, Any] = {
            "CORE__DAGS_FOLDER": DAG_FOLDER,
            "CORE__PLUGINS_FOLDER": DAG_FOLDER.parent / "plugins",
            "CORE__LOAD_EXAMPLES": False,
            "CORE__AUTH_MANAGER": "tests.dags.page_server.HarbourAuthManager",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.home / "passwords.json",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": False,
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "LOGGING__BASE_LOG_FOLDER": self.home / "logs",
            "LOGGING__LOGGING_LEVEL": "WARNING",
        }
        folders = (DAG_FOLDER.parent, DAG_FOLDER, DAG_FOLDER.parent / "plugins")
        return {
            "AIRFLOW_HOME": str(self.home),
            **{f"AIRFLOW__{name}": str(value) for name, value in options.items()},
            **self.settings.to_environment(),
            "NIGHTJAR_JOBS": JOBS,
            "NIGHTJAR_RUNBOOKS": RUNBOOKS,
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
        }
