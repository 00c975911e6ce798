"""A program: a training and nights of the watched job on an Airflow of its own, which says what came of every task.

It is started by :mod:`tests.security.test_canary` with the home in the environment; all that it prints is looked at.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.utils.db import initdb

from tests.dags.scheduler import Scheduler, read_dags

DAG_FOLDER = Path(__file__).parents[2] / "dags"
TRAINING = (
    "retraining_watched",
    ("resolve_partition", "settle_shadow", "snapshot", "train", "evaluate", "prove", "promote"),
)
NIGHT = (
    "nightly_scoring_watched",
    ("resolve_partition", "wait_for_deliveries", "ingest", "validate", "build_features", "score", "publish"),
)


def main(training: str, *nights: str) -> None:
    """Run a training as of a partition and nights, each until a task does not succeed; print the last as JSON."""
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - imported in the order in which Airflow wants it

    initdb()
    read_dags(DAG_FOLDER)
    scheduler = Scheduler(dict(DagBag(str(DAG_FOLDER)).dags))
    outcomes = {}
    for (dag_id, tasks), partition in [(TRAINING, training), *((NIGHT, night) for night in nights)]:
        body = {"logical_date": None, "conf": {"partition": partition}}
        answer = scheduler.rest.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert answer.status_code == 200, answer.text
        run = scheduler.list_runs(dag_id)[-1]
        for task in tasks:
            state, _ = scheduler.run_task(run, task)
            outcomes[partition] = f"{task} {state}"
            if state != "success":
                break
    sys.stdout.write(f"\noutcomes {json.dumps(outcomes)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
