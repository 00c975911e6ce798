"""Calls of Airflow's API that must cope with answers a real Airflow gives only now and then."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.errors import NightjarError, UnavailableError
from pipeline.local import airflow_api
from pipeline.local.airflow_api import AirflowApi
from pipeline.local.ports import find_free_port


class BusyAirflow(ThreadingHTTPServer):
    """Answers like Airflow on SQLite: the first ``locked`` backfills meet a database that is being written."""

    def __init__(self, locked: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.locked = locked
        self.requests: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: BusyAirflow

    def answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = f"{self.command} {self.path.partition('?')[0]}"
        if self.command == "PATCH":
            request += f" {json.loads(sent)}"
        self.server.requests.append(request)
        status, body = 200, {"id": 7, "backfills": [{"id": 6, "completed_at": None}]}
        if request == "POST /auth/token":
            status, body = 201, {"access_token": "token"}
        elif request == "POST /api/v2/backfills" and self.server.locked:
            self.server.locked -= 1
            status, body = 503, {"detail": "Database is locked"}
        elif request.endswith("/cancel") and self.server.locked:
            status, body = 500, {"detail": "Database error"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def busy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[BusyAirflow, AirflowApi]]:
    monkeypatch.setattr(airflow_api, "LOCKED_PAUSE_SECONDS", 0)
    with BusyAirflow(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        api = AirflowApi(f"http://127.0.0.1:{server.server_port}", user="admin", password="x")
        yield server, api
        api.close()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("busy", [2], indirect=True)
def test_a_backfill_is_asked_for_again_while_the_database_is_locked(busy: tuple[BusyAirflow, AirflowApi]) -> None:
    server, api = busy

    assert api.create_backfill("sample", "2013-01-05", "2013-01-06") == 7

    assert server.requests.count("POST /api/v2/backfills") == 3
    assert server.requests.count("PUT /api/v2/backfills/6/cancel") == 2


@pytest.mark.parametrize("busy", [1], indirect=True)
def test_the_scheduler_sees_no_run_of_a_backfill_before_all_are_there(busy: tuple[BusyAirflow, AirflowApi]) -> None:
    server, api = busy

    api.create_backfill("sample", "2013-01-05", "2013-01-06")

    assert server.requests[1] == "PATCH /api/v2/dags/sample {'is_paused': True}"
    assert server.requests[-2:] == ["POST /api/v2/backfills", "PATCH /api/v2/dags/sample {'is_paused': False}"]


@pytest.mark.parametrize("busy", [1000], indirect=True)
def test_a_backfill_that_cannot_be_created_leaves_the_dag_running(busy: tuple[BusyAirflow, AirflowApi]) -> None:
    server, api = busy

    with pytest.raises(UnavailableError):
        api.create_backfill("sample", "2013-01-05", "2013-01-06")

    assert server.requests[-1] == "PATCH /api/v2/dags/sample {'is_paused': False}"


@pytest.mark.parametrize("busy", [1000], indirect=True)
def test_a_database_that_stays_locked_is_an_error(busy: tuple[BusyAirflow, AirflowApi]) -> None:
    _, api = busy

    with pytest.raises(UnavailableError, match="Database is locked"):
        api.create_backfill("sample", "2013-01-05", "2013-01-06")


def test_an_airflow_that_does_not_answer_is_an_error() -> None:
    api = AirflowApi(f"http://127.0.0.1:{find_free_port()}", user="admin", password="x")

    assert api.read_health() == {}
    with pytest.raises(NightjarError, match="does not answer"):
        api.list_runs("sample")
    api.close()
