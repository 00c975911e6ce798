"""Airflow in a home of its own.  It reads where that is when it is imported, so this comes before any import of it."""

from __future__ import annotations

import atexit
import importlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.dags.scheduler import Scheduler

DAG_FOLDER = Path(__file__).parents[2] / "dags"
JOBS = " ".join(
    f"tests.dags.jobs.{name}"
    for name in (
        "tide_levels",
        "ice_levels",
        "rides",
        "gated_rides",
        "approved_rides",
        "shadowed_rides",
        "rides_new_york",
        "rides_tokyo",
    )
)

_home = Path(tempfile.mkdtemp(prefix="nightjar-airflow-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = str(_home)
(_home / "airflow.cfg").write_text(
    f"""
[core]
dags_folder = {DAG_FOLDER}
plugins_folder = {DAG_FOLDER.parent / "plugins"}
load_examples = False
simple_auth_manager_all_admins = True
[api]
secret_key = {secrets.token_hex(32)}
[api_auth]
jwt_secret = {secrets.token_hex(32)}
[database]
sql_alchemy_conn = sqlite:///{_home / "airflow.db"}
[logging]
base_log_folder = {_home / "logs"}
logging_level = WARNING
"""
)


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beside the project's jobs: ``tide_levels``, which goes on, ``ice_levels``, whose data ended, and two of rides.

    Only the stages of ``gated_rides`` and of ``rides``, in Berlin, New York and Tokyo, can be run.
    """
    monkeypatch.setenv("NIGHTJAR_HOME", str(tmp_path))
    monkeypatch.setenv("NIGHTJAR_JOBS", JOBS)


@pytest.fixture
def dags() -> dict[str, DAG]:
    """Every DAG of the folder, by id, as Airflow reads them."""
    bag = importlib.import_module("airflow.dag_processing.dagbag").DagBag(str(DAG_FOLDER))
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="session")
def _database() -> None:
    """Airflow's database with the DAGs in it."""
    importlib.import_module("airflow.utils.db").initdb()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NIGHTJAR_JOBS", JOBS)
        importlib.import_module("tests.dags.scheduler").read_dags(DAG_FOLDER)


@pytest.fixture
def scheduler(_database: None, dags: dict[str, DAG]) -> Iterator[Scheduler]:
    """What makes and works off runs in Airflow's database; they are gone after the test."""
    scheduler: Any = importlib.import_module("tests.dags.scheduler").Scheduler(dags)
    yield scheduler
    scheduler.forget_runs()
