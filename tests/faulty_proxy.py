"""A proxy before a real server that does to chosen requests what networks and busy servers do."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal["busy", "forbidden", "lost", "altered", "held", "unconditional"]
"""Answered 503 or 403; done, and the answer lost; done, and the answer altered; not passed on before ``release``;
passed on without its condition."""

_ANSWERS = {"busy": (503, "ServiceUnavailable"), "forbidden": (403, "AccessDenied")}


class FaultyProxy(ThreadingHTTPServer):
    """It passes on what comes, in order, but for the faults that it was told."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.faults: list[tuple[Fault, str, str]] = []
        self.requests: list[str] = []
        self.reached = threading.Event()
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spoil(self, method: str, fault: Fault, *, where: str = "", times: int = 1) -> None:
        """Do this to the next requests of a method whose path has ``where`` in it."""
        self.faults += [(fault, method, where)] * times

    def take_fault(self, method: str, path: str) -> Fault | None:
        for planned in self.faults:
            fault, spoilt, where = planned
            if method == spoilt and where in path:
                self.faults.remove(planned)
                return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    server: FaultyProxy
    protocol_version = "HTTP/1.1"  # the clients wait to be told to go on before they send a body

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(f"{self.command} {self.path}")
        fault = self.server.take_fault(self.command, self.path)
        if fault in _ANSWERS:
            self._refuse(*_ANSWERS[fault])
            return
        if fault == "held":
            self.server.reached.set()
            self.server.release.wait(30)
        if fault == "unconditional":
            del self.headers["If-None-Match"]
        status, headers, content = self._ask(body)
        if fault == "lost":
            self.close_connection = True
            return
        if fault == "altered":
            content = bytes([content[0] ^ 1]) + content[1:]
        self._answer(status, headers, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815 - as the library calls them

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), content

    def _refuse(self, status: int, code: str) -> None:
        content = f"<Error><Code>{code}</Code><Message>told by the proxy</Message></Error>".encode()
        self._answer(status, [("Content-Length", str(len(content)))], content)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "connection":
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def run_proxy(port: int) -> Iterator[FaultyProxy]:
    """A proxy before the server on a port of loopback, for as long as the block runs."""
    proxy = FaultyProxy(port)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.release.set()
        proxy.shutdown()
        thread.join()
        proxy.server_close()
