"""What the tests of the deployment share: a generated environment, and the servers that it configures."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from pipeline.tasks import open_workspace
from tests.conftest import make_settings
from tests.deploy.compose import ROOT, read_env_file
from tests.deploy.monitoring import Watching, run_metrics, run_prometheus
from tests.deploy.processes import wait_until
from tests.deploy.servers import PostgresServer, RedisServer, run_postgres, run_redis
from tests.exporter.nights import write_nights
from tests.meter_readings.job import JOB


@pytest.fixture(scope="session")
def generated() -> dict[str, str]:
    """What ``.env`` holds after the steps of docs/deployment.md."""
    command = ["/bin/sh", str(ROOT / "deploy/make_env.sh")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return read_env_file(printed) | {"AIRFLOW_ADMIN_EMAIL": "operator@example.org"}


@pytest.fixture(scope="module")
def serving(generated: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis that serves predictions."""
    with run_redis("serving", generated, tmp_path_factory.mktemp("serving")) as server:
        yield server


@pytest.fixture(scope="module")
def broker(generated: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis that is Celery's broker."""
    with run_redis("broker", generated, tmp_path_factory.mktemp("broker")) as server:
        yield server


@pytest.fixture(scope="module")
def postgres(generated: dict[str, str]) -> Iterator[PostgresServer]:
    """PostgreSQL with its three databases."""
    with run_postgres(generated) as server:
        yield server


@pytest.fixture(scope="module")
def watching(
    generated: dict[str, str], serving: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watching]:
    """A dozen nights of 2024, the newest of them live: by today's clock it is stale."""
    folder = tmp_path_factory.mktemp("watching")
    url = serving.url("publisher", generated["SERVING_PUBLISHER_PASSWORD"])
    workspace = open_workspace(make_settings(folder, url))
    write_nights(workspace, JOB)
    variables = {**generated, "NIGHTJAR_JOBS": "tests.meter_readings.job"}
    (folder / "prometheus").mkdir()
    with (
        run_metrics(variables, folder / "lake", serving.port, folder) as port,
        run_prometheus(variables, port, folder / "prometheus") as prometheus,
    ):
        wait_until("the target is up", lambda: prometheus.target()["health"] == "up", [prometheus.process])
        yield Watching(prometheus, workspace, variables)
    workspace.predictions.close()
