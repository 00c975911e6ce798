"""The endpoint: HTTP, for who shows the token."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from pipeline.errors import DeclarationError, UnavailableError

MINIMUM_CHARACTERS = 32
"""What 128 random bits need in hexadecimal."""

Answer = Iterable[bytes]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[dict[str, Any], StartResponse], Answer]


def open_endpoint(collector: Collector, token: str, host: str, port: int) -> WSGIServer:
    """Listen; ``serve_forever`` answers ``/metrics`` to who shows the token, and ``/health`` to everybody.

    Raises:
        DeclarationError: there is no token, or it is too short to be one.
        UnavailableError: the address cannot be listened on.
    """
    if len(token) < MINIMUM_CHARACTERS:
        raise DeclarationError(
            "metrics are shown to nobody without a token",
            expected=f"NIGHTJAR_METRICS_TOKEN with {MINIMUM_CHARACTERS} random characters or more",
            found=f"{len(token)}",
            next_step="set one that was made by `openssl rand -hex 32`, and give it to Prometheus as credentials_file",
        )
    registry = CollectorRegistry()
    registry.register(collector)
    try:
        return make_server(host, port, guard(make_wsgi_app(registry), token), _choose_server(host), _Handler)
    except OSError as error:
        raise UnavailableError(
            f"metrics cannot be served at {host}:{port}",
            found=str(error),
            next_step="choose another address: --listen HOST:PORT",
        ) from error


def guard(metrics: Application, token: str) -> Application:
    """The application, with ``metrics`` under its path for who shows the token."""
    expected = f"Bearer {token}".encode()

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Answer:
        if environ["PATH_INFO"] == "/health":
            return _say(start_response, HTTPStatus.OK)
        # WSGI hands headers on as Latin-1; compared in a time that tells nothing of the token.
        shown = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        if not hmac.compare_digest(shown, expected):
            return _say(start_response, HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", 'Bearer realm="nightjar"'))
        if environ["PATH_INFO"] != "/metrics":
            return _say(start_response, HTTPStatus.NOT_FOUND)
        return metrics(environ, start_response)

    return answer


def _say(start_response: StartResponse, status: HTTPStatus, *headers: tuple[str, str]) -> Answer:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [f"{status.phrase}\n".encode()]


class _Handler(WSGIRequestHandler):
    """Logs nothing, since scrapes are many, and hangs up on who connects and says nothing."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parameter of the base class
        """Log nothing."""


def _choose_server(host: str) -> type[WSGIServer]:
    """A thread for each request; IPv6 where the address is of that kind."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return type("_Server", (ThreadingWSGIServer,), {"address_family": family})
