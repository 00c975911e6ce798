"""Real servers, started as the compose file starts them but natively and on free loopback ports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.compose import ROOT, fill_in, load_services
from tests.deploy.processes import Process, find_program, free_ports, start_process, stop_process, wait_until

POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"


def service_environment(name: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service, and only that, beside what a program needs to be found."""
    declared = load_services()[name].get("environment", {})
    filled = {key: fill_in(value, variables) for key, value in declared.items()}
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | filled


@dataclass(frozen=True)
class RedisServer:
    """A Redis in one of its roles; ``folder`` holds its data, log and users."""

    port: int
    folder: Path
    process: Process

    def url(self, user: str, password: str) -> str:
        """As redis-py and Nightjar's settings take it."""
        return f"redis://{user}:{password}@127.0.0.1:{self.port}/0"


@contextmanager
def run_redis(role: str, variables: Mapping[str, str], folder: Path) -> Iterator[RedisServer]:
    """Run the role ``broker`` or ``serving`` by the script, configuration and users that the compose file names."""
    (port,) = free_ports(1)
    script = load_services()[role]["entrypoint"][0].replace("/opt/nightjar", str(ROOT / "deploy"))
    environment = service_environment(role, variables) | {"REDIS_RUN_DIR": str(folder)}
    process = start_process(role, [script, role, "--port", str(port), "--bind", "127.0.0.1"], environment, folder)
    try:
        wait_until(f"{role} answers", lambda: _check_redis(role, port), [process])
        yield RedisServer(port, folder, process)
    finally:
        stop_process(process)


def _check_redis(role: str, port: int) -> bool:
    """Whether the health check of the compose file is content."""
    check = load_services()[role]["healthcheck"]["test"][1].replace("redis-cli ", f"redis-cli -p {port} ")
    return subprocess.run(["/bin/sh", "-c", check], capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL with the databases of the compose file in it; its socket is in ``folder``."""

    port: int
    folder: Path


@contextmanager
def run_postgres(variables: Mapping[str, str]) -> Iterator[PostgresServer]:
    """Run a cluster made and filled as the official image does it: initdb, then every script of deploy/postgres."""
    # Not pytest's own temporary folder: root alone may enter that, and PostgreSQL refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="nightjar-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, user)
    (port,) = free_ports(1)
    environment = service_environment("postgres", variables)
    try:
        _make_cluster(folder, user, environment)
        process = _start_postgres(folder, port, user, environment)
        try:
            wait_until("postgres answers", lambda: _check_postgres(port), [process])
            run_initial_scripts(folder, port, environment)
            yield PostgresServer(port, folder)
        finally:
            stop_process(process, signal.SIGQUIT)  # at once: nothing in it is worth a checkpoint
    finally:
        shutil.rmtree(folder)


def _make_cluster(folder: Path, user: str | None, environment: Mapping[str, str]) -> None:
    arguments = ["--username", "postgres", "--auth-local", "trust", "--auth-host", "scram-sha-256", "--no-sync"]
    initdb = find_program("initdb", POSTGRES_FOLDERS)
    made = start_process(
        "initdb",
        [initdb, "--pgdata", str(folder / "data"), *arguments, environment["POSTGRES_INITDB_ARGS"]],
        environment,
        folder,
        user=user,
    )
    assert made.popen.wait(120) == 0, made.tail()


def _start_postgres(folder: Path, port: int, user: str | None, environment: Mapping[str, str]) -> Process:
    command = [find_program("postgres", POSTGRES_FOLDERS), "-D", str(folder / "data"), "-k", str(folder)]
    arguments = ["-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    return start_process("postgres", [*command, *arguments], environment, folder, user=user)


def _check_postgres(port: int) -> bool:
    check = [*load_services()["postgres"]["healthcheck"]["test"][2:], "--port", str(port)]
    program = find_program("pg_isready", POSTGRES_FOLDERS)
    return subprocess.run([program, *check], capture_output=True, check=False).returncode == 0


def run_initial_scripts(folder: Path, port: int, environment: Mapping[str, str]) -> None:
    """Run deploy/postgres as the entry point of the official image does: as the superuser, over the socket.

    Raises:
        subprocess.CalledProcessError: a statement failed.
    """
    psql = find_program("psql", POSTGRES_FOLDERS)
    options = ["-v", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "-U", "postgres", "-d", "postgres"]
    for script in sorted((ROOT / "deploy/postgres").iterdir()):
        subprocess.run(
            [psql, *options, "-h", str(folder), "-p", str(port), "-f", str(script)],
            env=environment,
            capture_output=True,
            check=True,
        )
