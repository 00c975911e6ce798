"""The endpoint over real HTTP: who shows the token is answered, and nobody else."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

import pytest
from prometheus_client.registry import Collector

from pipeline.errors import DeclarationError, UnavailableError
from pipeline.exporter import JobsCollector, open_endpoint
from pipeline.job import Job
from pipeline.tasks import Workspace

TOKEN = "correct-horse-battery-staple-0123456789"


@contextmanager
def serve(collector: Collector, host: str = "127.0.0.1") -> Iterator[int]:
    """The endpoint on a free port, answering."""
    with open_endpoint(collector, TOKEN, host, 0) as endpoint:
        thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield endpoint.server_port
        finally:
            endpoint.shutdown()
            thread.join()


@pytest.fixture
def port(watched: Workspace, job: Job) -> Iterator[int]:
    """Port of an endpoint over a dozen nights."""
    with serve(JobsCollector(watched, [job])) as port:
        yield port


def ask(port: int, path: str = "/metrics", method: str = "GET", **headers: Any) -> tuple[HTTPResponse, bytes]:
    """One request, with headers as given."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_metrics_are_shown_to_who_has_the_token(port: int) -> None:
    answer, body = ask(port, Authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"\nnightjar_live_rows{" in body


def test_prometheus_gets_open_metrics_and_gzip_if_it_asks(port: int) -> None:
    asked = {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"}
    answer, body = ask(port, Authorization=f"Bearer {TOKEN}", **asked)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert gzip.decompress(body).endswith(b"# EOF\n")


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        f"bearer{TOKEN}",
        TOKEN,
        f"Basic {TOKEN}",
        "Bearer \xe9\xff",
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/", "/metrics?name[]=nightjar_live_rows", "/else"])
def test_anybody_else_is_refused_and_told_nothing(port: int, shown: str | None, path: str) -> None:
    answer, body = ask(port, path, **({} if shown is None else {"Authorization": shown}))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="nightjar"'
    assert body == b"Unauthorized\n"


def test_a_refused_request_reads_nothing() -> None:
    class Untouchable(Collector):
        def describe(self) -> list[Any]:
            return []

        def collect(self) -> list[Any]:
            raise AssertionError("read for somebody without a token")

    with serve(Untouchable()) as port:
        assert ask(port)[0].status == 401


def test_a_health_check_needs_no_token_and_learns_nothing(port: int) -> None:
    answer, body = ask(port, "/health")
    assert (answer.status, body) == (200, b"OK\n")


def test_there_is_nothing_else(port: int) -> None:
    assert ask(port, "/else", Authorization=f"Bearer {TOKEN}")[0].status == 404
    assert ask(port, method="POST", Authorization=f"Bearer {TOKEN}")[0].status == 405


def test_several_scrapes_at_once_are_answered(port: int) -> None:
    bodies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: bodies.append(ask(port, Authorization=f"Bearer {TOKEN}")[1])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bodies) == 8
    assert len(set(bodies)) == 1


def test_a_connection_that_says_nothing_holds_up_nobody(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/health")[0].status == 200


@pytest.mark.parametrize("token", ["", "short", "x" * 31])
def test_without_a_token_nothing_is_served(watched: Workspace, job: Job, token: str) -> None:
    with pytest.raises(DeclarationError, match="NIGHTJAR_METRICS_TOKEN") as refused:
        open_endpoint(JobsCollector(watched, [job]), token, "127.0.0.1", 0)
    assert not token or token not in str(refused.value)


def test_an_address_that_is_taken_is_an_error(watched: Workspace, job: Job, port: int) -> None:
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        open_endpoint(JobsCollector(watched, [job]), TOKEN, "127.0.0.1", port)


def test_it_listens_on_an_address_of_version_6(watched: Workspace, job: Job) -> None:
    with open_endpoint(JobsCollector(watched, [job]), TOKEN, "::1", 0) as endpoint:
        assert endpoint.socket.family == socket.AF_INET6
