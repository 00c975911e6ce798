"""A Redis of a trial's or a benchmark's own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from pipeline.local.ports import find_free_port
from pipeline.local.redis_server import find_redis_server

_START_SECONDS = 30.0


@contextmanager
def start_redis(*options: str) -> Iterator[str]:
    """The URL of an empty Redis on loopback that saves nothing and ends with the body."""
    with tempfile.TemporaryDirectory() as folder:
        port = find_free_port()
        basics = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        command = [find_redis_server(os.environ["PATH"]), *basics, *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            url = f"redis://127.0.0.1:{port}/0"
            _wait_for(url, process)
            yield url
        finally:
            process.kill()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
