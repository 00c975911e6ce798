"""A Dask cluster as people start one: a scheduler and workers, as processes of their own on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class DaskProcesses:
    """A scheduler and its workers, with one thread each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        found = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(found))
        deadline = time.monotonic() + PATIENCE
        while not found.exists() or not found.read_text():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.05)
        self.address = json.loads(found.read_text())["address"]

    @property
    def url(self) -> str:
        """What NIGHTJAR_PARALLEL names the cluster by."""
        return str(self.address.replace("tcp://", "dask://"))

    def start_workers(self, count: int) -> None:
        """Start workers without a nanny, which would start a killed one again, and wait until they have joined."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.workers = [self._start("worker", self.address, *options) for _ in range(count)]
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=PATIENCE)

    def kill_when(self, worker: subprocess.Popen[bytes], condition: Callable[[], bool]) -> threading.Thread:
        """Kill a worker as soon as the condition holds, while the caller goes on."""

        def watch() -> None:
            deadline = time.monotonic() + PATIENCE
            while not condition() and time.monotonic() < deadline:
                time.sleep(0.01)
            worker.kill()

        thread = threading.Thread(target=watch)
        thread.start()
        return thread

    def stop(self) -> None:
        """End everything."""
        for process in reversed(self._started):
            process.kill()
            process.wait()

    def _start(self, role: str, *arguments: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"{role}-{len(self._started)}.log").open("wb")
        command = [sys.executable, "-m", "distributed.cli.dask_" + role, *arguments]
        with log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        self._started.append(process)
        return process


@contextmanager
def start_cluster(folder: Path, workers: int) -> Iterator[DaskProcesses]:
    """A cluster for as long as the context is open."""
    cluster = DaskProcesses(folder)
    try:
        if workers:
            cluster.start_workers(workers)
        yield cluster
    finally:
        cluster.stop()
