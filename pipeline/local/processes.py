"""Processes of the embedded services: each in a session of its own, and none left behind.

Ending a process group is not enough: a task of Airflow has a group of its own and outlives even the killed scheduler.
So every process gets an environment variable that its descendants inherit, and whoever still carries it is ended too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.errors import UnavailableError

MARKER = "NIGHTJAR_EMBEDDED"
GRACE_SECONDS = 6.0
KILL_SECONDS = 10.0

_started: list[subprocess.Popen[bytes]] = []  # a Popen that is thrown away complains that its process still runs


@dataclass(frozen=True)
class Service:
    """A process that was started here.

    Attributes:
        created: when the process was made, in seconds since 1970; with the pid it names one process for good.
        log: file that takes what the process prints.
    """

    name: str
    pid: int
    created: float
    log: str

    def to_json(self) -> dict[str, Any]:
        """The attributes as a JSON object."""
        return asdict(self)

    def process(self) -> psutil.Process | None:
        """The running process, or None where it has ended."""
        try:
            process = psutil.Process(self.pid)
            # A pid is used again after a while; the time of creation is measured in ticks of 10 ms.
            same = abs(process.create_time() - self.created) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def start_service(
    name: str, command: Sequence[str], *, home: Path, environment: Mapping[str, str], folder: Path, log: Path
) -> Service:
    """Start ``command`` in a session of its own, marked as belonging to ``home``.

    Args:
        environment: the whole environment of the process; the marker is added.
        folder: its working directory.
        log: file that takes its output; it starts empty.

    Raises:
        UnavailableError: the command cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    marked = {**environment, **mark(home)}
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=marked,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _started.append(process)
    except OSError as error:
        raise UnavailableError(f"{name} cannot be started", found=f"{command[0]}: {error}") from error
    return Service(name, process.pid, _creation_time(process.pid), str(log))


def mark(home: Path) -> dict[str, str]:
    """The variables by which a process and all its descendants are found again."""
    # Airflow's processes retitle themselves, which overwrites the environment that others see, unless SPT_NOENV is set.
    return {MARKER: str(home.resolve()), "SPT_NOENV": "1"}


def find_marked(home: Path) -> list[psutil.Process]:
    """Every running process that belongs to ``home``, this one excepted."""
    wanted = str(home.resolve())
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _marker(process) == wanted]


def end_services(services: Iterable[Service], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End services with all their descendants: ask first, kill what is left after ``grace_seconds``.

    Raises:
        UnavailableError: a process cannot be ended.
    """
    roots = [process for service in services if (process := service.process()) is not None]
    end_processes([*roots, *(child for root in roots for child in _children(root))], grace_seconds=grace_seconds)


def end_marked(home: Path, *, keep: Collection[int] = (), grace_seconds: float = GRACE_SECONDS) -> None:
    """End every process that belongs to ``home``, also those that no record knows and those started meanwhile.

    Args:
        keep: pids of processes that go on.

    Raises:
        UnavailableError: a process cannot be ended.
    """
    deadline = time.monotonic() + grace_seconds + KILL_SECONDS
    while found := [process for process in find_marked(home) if process.pid not in keep]:
        end_processes(found, grace_seconds=grace_seconds)
        if time.monotonic() > deadline:
            raise _survivors(found)


def end_processes(processes: Sequence[psutil.Process], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """End processes: SIGTERM, wait, SIGKILL, wait.

    Raises:
        UnavailableError: a process cannot be ended.
    """
    _send(processes, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=grace_seconds)
    _send(alive, signal.SIGKILL)
    _, alive = psutil.wait_procs(alive, timeout=KILL_SECONDS)
    if alive:
        raise _survivors(alive)


def read_log_end(path: str | Path, lines: int = 25) -> str:
    """The last ``lines`` of a log; empty where there is none."""
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _creation_time(pid: int) -> float:
    # A process that ended at once has no time of creation to ask for; it is found missing by whoever waits for it.
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _marker(process: psutil.Process) -> str | None:
    try:
        environment: dict[str, str] = process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError):
        return None  # ended meanwhile, or another user's
    return environment.get(MARKER)


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _survivors(processes: Iterable[psutil.Process]) -> UnavailableError:
    pids = ", ".join(str(process.pid) for process in processes)
    return UnavailableError("processes cannot be ended", found=f"still running: {pids}", next_step=f"kill -9 {pids}")
