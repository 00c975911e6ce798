"""Airflow on one machine: its four components on loopback, SQLite, and tasks in processes of their own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UnavailableError
from pipeline.local.airflow_api import UNFINISHED, AirflowApi
from pipeline.local.credentials import Credentials, write_private
from pipeline.local.ports import LOOPBACK
from pipeline.local.processes import Service, mark, read_log_end, start_service

# Nothing but the API listens: log servers would do so on every address, and all logs are on this machine anyway.
API_SERVER = "api-server"
COMPONENTS = {
    API_SERVER: ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE")
MIGRATE_SECONDS = 180.0
START_SECONDS = 180.0


@dataclass(frozen=True)
class AirflowPlan:
    """What Airflow is to be started with.

    Attributes:
        home: folder of everything local; Airflow's own is ``airflow`` in it.
        dags: folder of the DAG files.
        port: free port of 127.0.0.1 for the UI and the API.
        variables: further environment variables for tasks, such as ``NIGHTJAR_*``.
    """

    home: Path
    dags: Path
    port: int
    credentials: Credentials
    variables: dict[str, str]

    @property
    def folder(self) -> Path:
        """Airflow's own folder."""
        return self.home / "airflow"

    @property
    def url(self) -> str:
        """Address of the UI and the API."""
        return f"http://{LOOPBACK}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The whole environment of Airflow's processes and, through them, of the tasks."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**inherited, **self._airflow_variables(), **self._python_variables(), **self.variables}

    def _airflow_variables(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.dags.parent / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "nightjar_executor.WarmLocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__CORE__FERNET_KEY": self.credentials.fernet_key,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": self.credentials.api_secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": self.credentials.jwt_secret,
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs" / "tasks"),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(self.home / "logs" / "dag_processor"),
            # Two cores: parse when something changed, not all the time, and start the next task without idling.
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        }

    def _python_variables(self) -> dict[str, str]:
        return {
            "PYTHONUNBUFFERED": "1",
            # Threads of a model that wait for one another must not keep the cores of two from the other processes.
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": os.pathsep.join([str(self.dags.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "GX_ANALYTICS_ENABLED": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "NO_COLOR": "1",
        }


def prepare_airflow(plan: AirflowPlan) -> None:
    """Write the users' passwords and bring Airflow's database up to its version; quick where that was done before.

    Raises:
        UnavailableError: the database cannot be migrated.
    """
    plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    passwords = {"admin": plan.credentials.admin_password, "viewer": plan.credentials.viewer_password}
    write_private(plan.folder / "passwords.json", json.dumps(passwords))
    version = importlib.metadata.version("apache-airflow-core")
    migrated = plan.folder / "migrated"
    if migrated.exists() and migrated.read_text() == version:
        return
    log = plan.home / "logs" / "airflow-migrate.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        code = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env={**plan.environment(), **mark(plan.home)},
            cwd=plan.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=MIGRATE_SECONDS,
            check=False,
        ).returncode
    if code != 0:
        raise UnavailableError(
            "Airflow's database cannot be prepared",
            found=read_log_end(log),
            next_step=f"read {log}; to begin with an empty database remove {plan.folder}",
        )
    migrated.write_text(version)


def start_airflow(plan: AirflowPlan, api: AirflowApi, started: Callable[[Service], None]) -> None:
    """Start the four components and wait until they are healthy.

    Runs that were cut short when Airflow was stopped are marked as failed before the scheduler could start them again.

    Args:
        started: told of each process as soon as it exists, so that it can be stopped whatever comes next.

    Raises:
        UnavailableError: a component has ended, or is not healthy in time.
    """
    services: list[Service] = []
    if _has_unfinished_runs(plan):
        services += _start_components(plan, [API_SERVER], started)
        _wait_until_healthy(services, api, ["metadatabase"])
        for run in api.list_runs("~", UNFINISHED):
            api.fail_run(run["dag_id"], run["dag_run_id"])
    others = [name for name in COMPONENTS if f"airflow {name}" not in {service.name for service in services}]
    services += _start_components(plan, others, started)
    _wait_until_healthy(services, api, ["metadatabase", "scheduler", "dag_processor", "triggerer"])


def _has_unfinished_runs(plan: AirflowPlan) -> bool:
    """Whether Airflow's database holds runs that have not ended.  It is only looked at: changing it is for Airflow."""
    address = f"{(plan.folder / 'airflow.db').as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        found = database.execute("SELECT 1 FROM dag_run WHERE state IN (?, ?) LIMIT 1", UNFINISHED).fetchone()
    return found is not None


def _start_components(plan: AirflowPlan, names: Iterable[str], started: Callable[[Service], None]) -> list[Service]:
    services = []
    for name in names:
        service = start_service(
            f"airflow {name}",
            [sys.executable, "-m", "airflow", *COMPONENTS[name]],
            home=plan.home,
            environment=plan.environment(),
            folder=plan.folder,
            log=plan.home / "logs" / f"airflow-{name}.log",
        )
        started(service)
        services.append(service)
    return services


def _wait_until_healthy(services: list[Service], api: AirflowApi, names: Sequence[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    health: dict[str, str] = {}
    while time.monotonic() < deadline:
        for service in services:
            if service.process() is None:
                raise _not_started(f"{service.name} ended", service)
        health = api.read_health()
        if all(health.get(name) == "healthy" for name in names):
            return
        time.sleep(0.2)
    raise _not_started(f"after {START_SECONDS:.0f} s Airflow reports {health or 'nothing'}", services[0])


def _not_started(found: str, service: Service) -> UnavailableError:
    return UnavailableError(
        "Airflow did not start",
        expected="four healthy components",
        found=f"{found}; the end of {service.log}:\n{read_log_end(service.log)}",
        next_step=f"read the logs in {Path(service.log).parent}",
    )
