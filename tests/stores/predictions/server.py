"""A real Redis server for tests."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import redis

from pipeline.local.ports import find_free_port
from pipeline.local.redis_server import find_redis_server


class RedisServer:
    """A server on a free port of loopback that saves nothing, so that a restart leaves it empty."""

    def __init__(self, folder: Path, *options: str, search_path: str = os.environ["PATH"]) -> None:
        self.folder = folder
        self.binary = find_redis_server(search_path)
        self.port = self.find_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def find_port(self) -> int:
        """A free one."""
        return find_free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def url_of(self, user: str, password: str) -> str:
        return f"redis://{user}:{password}@127.0.0.1:{self.port}/0"

    @property
    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True, protocol=2)

    def add_user(self, name: str, *rules: str) -> str:
        """Add a user with the password ``secret``; returns the URL for it."""
        self.client.execute_command("ACL", "SETUSER", name, "on", ">secret", *rules)  # type: ignore[no-untyped-call]
        return self.url_of(name, "secret")

    def list_arguments(self) -> list[str]:
        """Of redis-server."""
        basics = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [*basics, "--save", "", *self.options]

    def start(self) -> None:
        command = [self.binary, *self.list_arguments()]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        with self.client as client:
            while not _answers(client):
                assert time.monotonic() < deadline, "Redis did not start"
                assert self.process.poll() is None, "Redis ended at once"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
