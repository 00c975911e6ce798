"""The project's DAGs on a real scheduler with real workers, beside a real Redis."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pipeline.local.airflow_api import UNFINISHED, AirflowApi, wait_for_dag
from pipeline.local.airflow_services import AirflowPlan, prepare_airflow, start_airflow
from pipeline.local.processes import find_marked
from pipeline.local.runs import explain_failure
from pipeline.local.services import REPOSITORY, start_services
from pipeline.settings import Settings
from tests.stores.predictions.topologies import wait_until

SECONDS = 240.0


class EmbeddedAirflow:
    """Airflow's four components as `make up` starts them, and the Redis that tasks publish to.

    Args:
        home: folder of everything local; ``end_marked`` ends whatever was started for it.
        jobs: dotted paths of the modules that declare jobs, with spaces between.
        options: further settings of Airflow, by environment variable.
    """

    def __init__(self, home: Path, jobs: str, options: dict[str, str]) -> None:
        variables = {"NIGHTJAR_HOME": str(home), "NIGHTJAR_JOBS": jobs, "NIGHTJAR_PARALLEL": "inline"}
        self._services = start_services(Settings.from_environment(variables))
        self.settings = self._services.settings
        self.api = self._services.connect_api()
        self._plan = AirflowPlan(
            home=home,
            dags=REPOSITORY / "dags",
            port=int(self._services.airflow_url.rpartition(":")[2]),
            credentials=self._services.credentials,
            variables={**self.settings.to_environment(), **options},
        )

    def start(self, *dags: str) -> None:
        """Start Airflow, and let the runs of ``dags`` start."""
        prepare_airflow(self._plan)
        start_airflow(self._plan, self.api, self._services.add_process)
        for dag in dags:
            wait_for_dag(self.api, dag, since=self._services.since, seconds=SECONDS)
            self.api.unpause(dag)

    def log_in(self, user: str) -> AirflowApi:
        """Airflow's API as one of the users that its settings name."""
        passwords = json.loads((self._plan.folder / "passwords.json").read_text())
        return AirflowApi(self.api.url, user=user, password=passwords[user])

    def close(self) -> None:
        """Close the connections to Airflow."""
        self.api.close()

    def get(self, path: str, **params: Any) -> Any:
        """What Airflow's REST API answers."""
        return self.api._send("GET", f"/api/v2/{path}", params=params).json()

    def find_worker(self, dag: str, run: str, task: str) -> psutil.Process:
        """The process of a task, once it runs."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}"
        wait_until(f"{task} runs", lambda: self.get(path)["state"] == "running", SECONDS)
        return psutil.Process(self.get(path)["pid"])

    def wait_for_input(self, dag: str, run: str, task: str) -> None:
        """Wait until a task awaits the answer of a person.

        Raises:
            NightjarError: the run failed before.
        """
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}"

        def has_come() -> bool:
            if self.api.read_run(dag, run)["state"] == "failed":
                raise explain_failure(self.api, dag, run)
            return bool(self.get(path)["state"] == "awaiting_input")

        wait_until(f"{task} awaits an answer", has_come, SECONDS)
        # A scheduler that hears only after the answer that the asking is done takes the answered task for ended.
        wait_until("its worker is free", lambda: not self._find_busy_workers(), SECONDS)
        self.wait_for_scheduler()

    def wait_for_success(self, dag: str, run: str) -> None:
        """Wait until a run has ended, well.

        Raises:
            NightjarError: it failed; the message names the task and holds the end of its log.
        """
        if self.wait_for_end(dag, run) != "success":
            raise explain_failure(self.api, dag, run)

    def wait_for_end(self, dag: str, run: str) -> str:
        """Wait until a run has ended; its state."""
        wait_until(f"{run} ends", lambda: self.api.read_run(dag, run)["state"] not in UNFINISHED, SECONDS)
        return str(self.api.read_run(dag, run)["state"])

    def wait_for_scheduler(self) -> None:
        """Wait until the scheduler has gone round once more, and so has heard what workers told it until now."""
        for _ in range(2):  # the round that is under way may have heard them before
            before = self._read_round()
            wait_until("the scheduler goes round", lambda before=before: self._read_round() != before, SECONDS)  # type: ignore[misc]

    def _find_busy_workers(self) -> list[str]:
        titles = []
        for process in find_marked(self._plan.home):
            with suppress(psutil.NoSuchProcess):
                titles.append(" ".join(process.cmdline()))
        return [title for title in titles if "LocalExecutor" in title and "<idle>" not in title]

    def _read_round(self) -> str:
        return str(self.get("monitor/health")["scheduler"]["latest_scheduler_heartbeat"])
