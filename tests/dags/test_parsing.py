"""Airflow reads DAG files again and again: that must be quick, light, and give the same DAG each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.jobs import load_jobs
from pipeline.settings import Settings

DAG_FOLDER = Path(__file__).parents[2] / "dags"

PURPOSES = ("nightly_scoring", "retraining", "feedback", "rollback")

READ_DAG_FILES = """
import json, runpy, sys, time
import airflow.sdk
for name in ("ExceptionRetryPolicy", "Param", "dag", "task"):
    getattr(airflow.sdk, name)
airflow.sdk.task.sensor
before = set(sys.modules)
start = time.process_time()
for path in sys.argv[1:]:
    runpy.run_path(path)
seconds = time.process_time() - start
print(json.dumps({"seconds": seconds, "modules": sorted(set(sys.modules) - before)}))
"""

SERIALIZE_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
print(json.dumps({name: DagSerialization.to_dict(dag) for name, dag in bag.dags.items()}, sort_keys=True))
"""


def run_python(program: str, *arguments: str, **environment: str) -> Any:
    """The JSON that ``program`` prints last, in a process of its own that finds what Airflow's processes find."""
    path = os.pathsep.join(map(str, [DAG_FOLDER.parent, DAG_FOLDER, DAG_FOLDER.parent / "plugins"]))
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def reading() -> Any:
    return run_python(READ_DAG_FILES, *map(str, sorted(DAG_FOLDER.glob("*.py"))))


def test_reading_the_files_takes_a_fraction_of_a_second(reading: Any) -> None:
    """Processor time, beyond that of ``airflow.sdk``, so that a busy machine does not count."""
    assert reading["seconds"] < 0.5


@pytest.mark.parametrize(
    "module", ["great_expectations", "sklearn", "mlflow", "pandas", "pandera", "pyarrow", "redis", "pipeline.tasks"]
)
def test_reading_the_files_loads_nothing_heavy(reading: Any, module: str) -> None:
    assert "pipeline.jobs" in reading["modules"]
    assert module not in reading["modules"]


def test_two_readings_give_the_same_dags() -> None:
    """A difference would be a new version of the DAG, every time it is read."""
    first, second = (run_python(SERIALIZE_DAGS, str(DAG_FOLDER), PYTHONHASHSEED=seed) for seed in "12")
    assert first == second


def test_every_job_has_its_dags(dags: dict[str, Any]) -> None:
    jobs = [job.name for job in load_jobs(Settings.from_environment())]
    assert sorted(dags) == sorted(f"{purpose}_{job}" for purpose in PURPOSES for job in jobs)


def test_each_dag_is_found_in_its_own_file(dags: dict[str, Any]) -> None:
    files = {dag_id: Path(dag.fileloc).stem for dag_id, dag in dags.items()}
    assert all(dag_id.startswith(f"{stem}_") for dag_id, stem in files.items())
