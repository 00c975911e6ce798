"""The services of the compose file as native processes: the same commands, environments and health checks.

Only addresses and folders differ: host names become 127.0.0.1 with a free port, and the folders of the image folders of
the test.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.compose import ROOT, fill_in, load_services
from tests.deploy.processes import Process, free_ports, kill_marked, start_process, stop_process, wait_until
from tests.deploy.servers import PostgresServer, RedisServer

MARKER = "NIGHTJAR_TEST_STACK"
STEPS = ["initialise", "api-server", "scheduler", "dag-processor", "triggerer", "mlflow", "worker"]


@dataclass
class Stack:
    """What is running, and where.

    Attributes:
        marker: ``name=value`` in the environment of every process and of its descendants.
    """

    folder: Path
    variables: Mapping[str, str]
    postgres: PostgresServer
    broker: RedisServer
    serving: RedisServer
    api: int
    health: int
    mlflow: int
    processes: list[Process] = field(default_factory=list)

    @property
    def marker(self) -> str:
        return f"{MARKER}={self.folder}"

    @property
    def replacements(self) -> list[tuple[str, str]]:
        """What stands for what, outside of containers; the first that fits wins."""
        local = "127.0.0.1"
        return [
            ("@postgres:5432", f"@{local}:{self.postgres.port}"),
            ("@broker:6379", f"@{local}:{self.broker.port}"),
            ("@serving:6379", f"@{local}:{self.serving.port}"),
            ("//api-server:8080", f"//{local}:{self.api}"),
            ("mlflow:5000", f"{local}:{self.mlflow}"),
            (f"{local}:8080", f"{local}:{self.api}"),
            (f"{local}:8974", f"{local}:{self.health}"),
            (f"{local}:5000", f"{local}:{self.mlflow}"),
            ("0.0.0.0", local),  # noqa: S104 - replaced, never listened on
            ("/opt/nightjar/deploy", str(ROOT / "deploy")),
            ("/opt/nightjar", str(self.folder)),
            ("/var/lib/nightjar", str(self.folder)),
        ]

    @property
    def whole_words(self) -> dict[str, str]:
        """Ports that stand alone."""
        return {"8080": str(self.api), "8974": str(self.health), "5000": str(self.mlflow)}

    def localise(self, text: str) -> str:
        """A command's word or an environment's value, as it is outside of containers."""
        text = fill_in(text, self.variables)
        for old, new in self.replacements:
            text = text.replace(old, new)
        return self.whole_words.get(text, text)

    def environment(self, service: str) -> dict[str, str]:
        """The service's environment, and nothing that this process has beside it."""
        declared = load_services()[service]["environment"]
        localised = {name: self.localise(value) for name, value in declared.items()}
        name, _, value = self.marker.partition("=")
        programs = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        given = {"PATH": programs, "HOME": str(self.folder), "HOSTNAME": socket.gethostname(), name: value}
        # The project is where the tests are; the image has it installed.
        return given | {"PYTHONPATH": str(ROOT)} | localised

    def start(self, service: str) -> Process:
        """Start a service as the compose file does."""
        command = [self.localise(word) for word in load_services()[service]["command"]]
        process = start_process(service, command, self.environment(service), self.folder)
        self.processes.append(process)
        return process

    def start_worker(self, name: str) -> Process:
        """Start one more worker: containers have host names and Airflow folders of their own, so it gets both."""
        command = [self.localise(word) for word in load_services()["worker"]["command"]]
        apart = {"AIRFLOW_HOME": str(self.folder / name)}
        options = ["--celery-hostname", f"{name}@{socket.gethostname()}"]
        environment = self.environment("worker") | apart
        process = start_process(f"worker-{name}", [*command, *options], environment, self.folder)
        self.processes.append(process)
        return process

    def is_healthy(self, service: str) -> bool:
        """Whether the service's health check is content."""
        kind, *words = load_services()[service]["healthcheck"]["test"]
        words = [self.localise(word) for word in words]
        command: Sequence[str] = words if kind == "CMD" else ["/bin/sh", "-c", *words]
        checked = subprocess.run(
            command, env=self.environment(service), cwd=self.folder, capture_output=True, check=False, timeout=60
        )
        return checked.returncode == 0

    def start_all(self) -> None:
        """Start every service in order, and wait until all are healthy.

        Raises:
            AssertionError: one ended, or did not get healthy in time; with the end of the logs.
        """
        (self.folder / "logs").mkdir()
        initialised = self.start(STEPS[0])
        assert initialised.popen.wait(300) == 0, initialised.tail()
        self.processes.remove(initialised)
        for service in STEPS[1:]:
            self.start(service)
        for service in STEPS[1:]:
            wait_until(f"{service} is healthy", lambda name=service: self.is_healthy(name), self.processes, 300)  # type: ignore[misc]

    def stop_all(self) -> None:
        """Ask every service to stop, all at once, and wait until they have."""
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self.processes:
            stop_process(process)
        self.processes.clear()


@contextmanager
def run_stack(
    folder: Path,
    variables: Mapping[str, str],
    postgres: PostgresServer,
    broker: RedisServer,
    serving: RedisServer,
    *,
    further_dags: Sequence[Path] = (),
) -> Iterator[Stack]:
    """All services on free ports, healthy, with the project's DAGs and plugins; none is left after the body."""
    for name in ("dags", "plugins"):
        shutil.copytree(ROOT / name, folder / name)
    for path in further_dags:
        shutil.copy(path, folder / "dags")
    api, health, mlflow = free_ports(3)
    local = {"AIRFLOW_BASE_URL": f"http://127.0.0.1:{api}"}
    stack = Stack(folder, {**variables, **local}, postgres, broker, serving, api, health, mlflow)
    try:
        stack.start_all()
        yield stack
    finally:
        stack.stop_all()
        kill_marked(stack.marker)
