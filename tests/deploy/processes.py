"""Native processes for the tests of the deployment: started with a given environment, and all gone at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nothing listens, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@dataclass
class Process:
    """A running process in a session of its own."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """The end of what it printed."""
        return f"--- {self.name} ---\n" + self.log.read_text(errors="replace")[-3000:]


def start_process(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    user: str | None = None,
) -> Process:
    """Start ``command`` in ``folder`` with exactly ``environment``; its output goes to ``folder/<name>.log``."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
    return Process(name, popen, log)


def stop_process(process: Process, how: signal.Signals = signal.SIGTERM, seconds: float = 30) -> None:
    """Ask the process to end, then make its whole group end."""
    if process.popen.poll() is None:
        process.popen.send_signal(how)
        with suppress(subprocess.TimeoutExpired):  # then the group is killed below
            process.popen.wait(seconds)
    with suppress(ProcessLookupError):  # nobody was left
        os.killpg(process.popen.pid, signal.SIGKILL)
    process.popen.wait()


def find_marked(marker: str) -> list[int]:
    """Process ids whose environment holds ``marker``, which children inherit whatever group they move to."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # ended meanwhile, or of somebody else
    return found


def kill_marked(marker: str) -> list[int]:
    """Kill every process whose environment holds ``marker``; the ids that there were."""
    found = find_marked(marker)
    for pid in found:
        with suppress(ProcessLookupError):  # ended meanwhile
            os.kill(pid, signal.SIGKILL)
    return found


def wait_until(what: str, condition: Callable[[], bool], processes: Sequence[Process], seconds: float = 60) -> None:
    """Wait for ``condition``.

    Raises:
        AssertionError: it did not come true in time, or one of ``processes`` ended; with the end of the logs.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        for process in processes:
            if process.popen.poll() is not None:
                raise AssertionError(f"{process.name} ended with {process.popen.returncode}\n{process.tail()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not in {seconds} s\n" + "\n".join(process.tail() for process in processes))
        time.sleep(0.2)


def find_program(name: str, folders: str = "") -> str:
    """Path of a program on the PATH or in a folder that matches ``folders`` (absolute glob).

    Raises:
        FileNotFoundError: the machine does not have it.
    """
    candidates = [str(path) for path in sorted(Path("/").glob(folders.lstrip("/")))] if folders else []
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(candidates))
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; these tests run the real thing")
    return found
