"""Stands in for Airflow's scheduler and worker: orders runs through REST and CLI, and runs single tasks of them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import structlog
from airflow.api_fastapi.app import create_app
from airflow.cli.cli_parser import get_parser
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, DagBag, sync_bag_to_db
from airflow.dag_processing.processor import _execute_dag_callbacks
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetDagRunQueue, AssetEvent, association_table
from airflow.models.backfill import Backfill, BackfillDagRun
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.sdk.definitions.dag import _run_task
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit
from airflow.utils.state import DagRunState, TaskInstanceState
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

BUNDLE = "dags-folder"


class Scheduler:
    """Runs of ``dags`` in Airflow's database."""

    def __init__(self, dags: dict[str, DAG]) -> None:
        self.dags = dags

    @property
    def rest(self) -> TestClient:
        """Airflow's REST API, whose every user is an admin; the UI is a client of it."""
        return _start_rest_api()

    def find_dag(self, dag_id: str) -> Any:
        """The DAG as the scheduler knows it, from the database."""
        with create_session() as session:
            (model,) = SerializedDagModel.get_latest_serialized_dags(dag_ids=[dag_id], session=session)
            return model.dag

    def run_command(self, *words: str) -> None:
        """Run ``airflow <words>``."""
        arguments = get_parser().parse_args(list(words))
        arguments.func(arguments)

    def list_runs(self, dag_id: str) -> list[DagRun]:
        """The DAG's runs, in the order in which they were made."""
        with create_session() as session:
            return list(session.scalars(select(DagRun).where(DagRun.dag_id == dag_id).order_by(DagRun.id)))

    def run_task(self, run: DagRun, task_id: str) -> tuple[str, Any]:
        """Run one task of a run as a worker does; its state after that, and what it returned."""
        with create_session() as session:
            instance = session.scalars(select(TaskInstance).filter_by(run_id=run.run_id, task_id=task_id)).one()
            session.expunge_all()
        instance.try_number += 1
        with create_session() as session:
            session.merge(instance)
        _run_task(ti=instance, task=self.dags[run.dag_id].get_task(task_id))
        with create_session() as session:
            value = XComModel.get_many(run_id=run.run_id, dag_ids=[run.dag_id], task_ids=[task_id], key="return_value")
            row = session.execute(value).first()
        return TaskInstanceState(instance.state).value, None if row is None else XComModel.deserialize_value(row[0])

    def watch_night(self, run: DagRun) -> tuple[str, str]:
        """Run what comes after a release; the states of ``watch`` and ``ask_for_training``."""
        watched, asked = (self.run_task(run, task)[0] for task in ("watch", "ask_for_training"))
        return watched, asked

    def schedule_due_runs(self) -> None:
        """What the scheduler does in each of its rounds: make a run of each DAG that is due and not paused."""
        runner = SchedulerJobRunner(job=Job(), executors=[])  # type: ignore[no-untyped-call]
        with create_session() as session, prohibit_commit(session) as guard:  # type: ignore[no-untyped-call]
            runner._create_dagruns_for_dags(guard, session)

    def end_run(self, run: DagRun) -> str:
        """Judge the run as the scheduler does, and call the DAG's callbacks as the DAG processor does; its state."""
        dag = self.find_dag(run.dag_id)
        with create_session() as session:
            judged = session.get_one(DagRun, run.id)
            judged.dag = dag
            _, callback = judged.update_state(session=session, execute_callbacks=False)
            state = DagRunState(judged.state).value
        if callback is not None:
            _execute_dag_callbacks(cast(DagBag, self), callback, structlog.get_logger())
        return state

    def end_runs(self, dag_id: str) -> None:
        """As if every run of the DAG had come to its end."""
        with create_session() as session:
            session.execute(update(DagRun).where(DagRun.dag_id == dag_id).values(state=DagRunState.SUCCESS))

    def end_backfills(self) -> None:
        """As if every backfill had come to its end: a DAG has one at a time."""
        with create_session() as session:
            session.execute(update(Backfill).values(completed_at=datetime.now(UTC)))

    def forget_runs(self) -> None:
        """Delete every run, backfill and event of an asset, and pause every DAG."""
        with create_session() as session:
            session.execute(update(DagModel).values(is_paused=True))
            session.execute(delete(association_table))
            for table in (BackfillDagRun, DagRun, Backfill, AssetDagRunQueue, AssetEvent):
                session.execute(delete(table))


def read_dags(folder: Path) -> None:
    """What the DAG processor does: write the DAGs of the folder to the database."""
    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = BundleDagBag(dag_folder=str(folder), bundle_path=folder, bundle_name=BUNDLE)
    sync_bag_to_db(bag, BUNDLE, None)


@cache
def _start_rest_api() -> TestClient:
    return TestClient(create_app())


def at_midnight(day: str) -> str:
    """Midnight UTC of a day, as REST takes it."""
    return datetime.fromisoformat(f"{day}T00:00:00+00:00").isoformat()
