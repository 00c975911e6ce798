"""The few calls of Airflow's REST API that the demo makes."""

from __future__ import annotations

import time
from typing import Any

import httpx

from pipeline.errors import NightjarError, UnavailableError

UNFINISHED = ("queued", "running")
LOCKED_ATTEMPTS = 20
LOCKED_PAUSE_SECONDS = 1.0


class AirflowApi:
    """Airflow's public API as a user who may do everything.

    Every method raises :class:`UnavailableError` where Airflow does not answer, and :class:`NightjarError` where it
    refuses.
    """

    def __init__(self, url: str, *, user: str, password: str) -> None:
        self.url = url
        self._user = user
        self._password = password
        # Proxies are for other hosts; this one is the machine itself.
        self._client = httpx.Client(base_url=url, timeout=30.0, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def read_health(self) -> dict[str, str]:
        """Status by component, such as ``{"scheduler": "healthy"}``; empty while nothing answers."""
        try:
            answer = self._client.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return {}
        if answer.status_code != 200:
            return {}
        return {name: str(part["status"]) for name, part in answer.json().items() if part and part.get("status")}

    def read_dag(self, dag: str) -> dict[str, Any] | None:
        """The DAG, or None while Airflow does not know it."""
        answer = self._send("GET", f"/api/v2/dags/{dag}", accept=(200, 404))
        return dict(answer.json()) if answer.status_code == 200 else None

    def read_import_errors(self) -> list[dict[str, Any]]:
        """DAG files that cannot be read: ``filename``, ``stack_trace`` and ``timestamp`` of each."""
        return list(self._send("GET", "/api/v2/importErrors").json()["import_errors"])

    def pause(self, dag: str) -> None:
        """Let the scheduler neither start nor look at runs of the DAG."""
        self._set_paused(dag, True)

    def unpause(self, dag: str) -> None:
        """Let the DAG's runs start."""
        self._set_paused(dag, False)

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run by hand, with ``conf`` as its params, and return its id."""
        body = {"logical_date": None, "conf": conf}
        return str(self._send("POST", f"/api/v2/dags/{dag}/dagRuns", json=body).json()["dag_run_id"])

    def create_backfill(self, dag: str, first: str, last: str) -> int:
        """Run the partitions ``first`` to ``last`` (dates) one after the other, again where they were run before.

        The DAG is paused meanwhile: when its database is locked half-way, Airflow deletes the runs that it has made so
        far, and a scheduler that is looking at one of them ends.
        """
        self.pause(dag)
        try:
            return self._try_to_create_backfill(dag, first, last)
        finally:
            self.unpause(dag)

    def _try_to_create_backfill(self, dag: str, first: str, last: str) -> int:
        body = {
            "dag_id": dag,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T00:00:00Z",
            "max_active_runs": 1,
            "run_backwards": False,
            "reprocess_behavior": "completed",
        }
        # On SQLite this needs a moment in which no other component writes; Airflow answers 503 or 500 otherwise, or
        # 409 where what a broken attempt left could not be cancelled yet.
        for _ in range(LOCKED_ATTEMPTS):
            answer = self._send("POST", "/api/v2/backfills", json=body, accept=(200, 201, 409, 500, 503))
            if answer.status_code in {200, 201}:
                return int(answer.json()["id"])
            self.end_backfills(dag)
            time.sleep(LOCKED_PAUSE_SECONDS)
        raise UnavailableError(
            f"Airflow cannot create a backfill of {dag}",
            expected=f"its database is free in one of {LOCKED_ATTEMPTS} attempts",
            found=answer.text[:500],
            next_step="try again when the machine is less busy",
        )

    def end_backfills(self, dag: str) -> None:
        """Cancel every backfill of the DAG that does not count as completed: Airflow allows one at a time.

        One that cannot be cancelled because the database is locked is left; creating the next one tries again.
        """
        answer = self._send("GET", "/api/v2/backfills", params={"dag_id": dag, "order_by": "-id"})
        for backfill in answer.json()["backfills"]:
            if backfill["completed_at"] is None:
                self._send("PUT", f"/api/v2/backfills/{backfill['id']}/cancel", accept=(200, 409, 500, 503))

    def list_runs(self, dag: str, states: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The newest 100 runs of the DAG, the newest first, or only those in ``states``."""
        params: dict[str, Any] = {"limit": 100, "order_by": "-id", "state": list(states)}
        return list(self._send("GET", f"/api/v2/dags/{dag}/dagRuns", params=params).json()["dag_runs"])

    def read_run(self, dag: str, run: str) -> dict[str, Any]:
        """One run: its ``state``, ``data_interval_start`` and the rest."""
        return dict(self._send("GET", f"/api/v2/dags/{dag}/dagRuns/{run}").json())

    def fail_run(self, dag: str, run: str) -> None:
        """Mark a run as failed, which ends its tasks."""
        self._send("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", json={"state": "failed"})

    def list_tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run, each with ``task_id``, ``state``, ``try_number`` and its times."""
        answer = self._send("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", params={"limit": 100})
        return list(answer.json()["task_instances"])

    def read_log(self, dag: str, run: str, task: dict[str, Any]) -> list[str]:
        """The lines of the log of a task instance's last try."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task['task_id']}/logs/{max(task['try_number'], 1)}"
        params = {"full_content": True, "map_index": task.get("map_index", -1)}
        answer = self._send("GET", path, params=params, headers={"Accept": "application/json"}, accept=(200, 404))
        if answer.status_code == 404:
            return []
        return [line for entry in answer.json()["content"] for line in _log_lines(entry)]

    def _send(
        self, method: str, path: str, *, accept: tuple[int, ...] = (200, 201), **arguments: Any
    ) -> httpx.Response:
        try:
            if "Authorization" not in self._client.headers:
                self._log_in()
            answer = self._client.request(method, path, **arguments)
            if answer.status_code == 401:  # the token has run out
                self._log_in()
                answer = self._client.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise UnavailableError(
                "Airflow does not answer", found=f"{method} {path}: {error}", next_step="see whether it still runs"
            ) from error
        if answer.status_code not in accept:
            raise NightjarError(
                "Airflow refused a request",
                expected=f"{method} {path} answers {' or '.join(map(str, accept))}",
                found=f"{answer.status_code} {answer.text[:500]}",
            )
        return answer

    def _set_paused(self, dag: str, paused: bool) -> None:
        for _ in range(LOCKED_ATTEMPTS - 1):  # Airflow on SQLite may answer that its database is locked
            answer = self._send("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": paused}, accept=(200, 500, 503))
            if answer.status_code == 200:
                return
            time.sleep(LOCKED_PAUSE_SECONDS)
        self._send("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": paused})

    def _log_in(self) -> None:
        body = {"username": self._user, "password": self._password}
        answer = self._client.post("/auth/token", json=body)
        if answer.status_code != 201:
            raise NightjarError("Airflow refused the login", found=f"{answer.status_code} {answer.text[:200]}")
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def wait_for_dag(api: AirflowApi, dag: str, *, since: str, seconds: float) -> None:
    """Wait until Airflow has read the DAG's file.

    Args:
        since: moment (ISO 8601, UTC) after which it must have been read, so that an older version does not count.

    Raises:
        UnavailableError: a DAG file cannot be imported, or ``seconds`` have passed.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = api.read_dag(dag)
        if found is not None and found["last_parsed_time"] is not None and found["last_parsed_time"] >= since:
            return
        errors = [error for error in api.read_import_errors() if error["timestamp"] >= since]
        if errors:
            raise UnavailableError(
                "a DAG file cannot be imported", found=f"{errors[0]['filename']}\n{errors[0]['stack_trace']}"
            )
        time.sleep(0.3)
    raise UnavailableError(f"Airflow does not find the DAG {dag}", expected=f"it is parsed within {seconds:.0f} s")


def _log_lines(entry: Any) -> list[str]:
    """The text of one entry of a structured log, with the exception that it carries."""
    if not isinstance(entry, dict):
        return str(entry).splitlines()
    lines = str(entry.get("event", "")).splitlines()
    for error in entry.get("error_detail") or []:
        lines += f"{error.get('exc_type')}: {error.get('exc_value')}".splitlines()
    return lines
