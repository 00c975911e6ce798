"""Commands run as processes of their own: how long they take, and the memory of all that they start."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Finished:
    """What a command took.

    Attributes:
        seconds: from its start to its end, imports included.
        cpu_seconds: of it and of the processes that it started and waited for.
        peak_mib: most proportional set size (what is shared counts once) that its processes had together, in MiB, as
            sampled four times a second.
        output: what it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    output: str


def run_measured(command: Sequence[str], environment: Mapping[str, str]) -> Finished:
    """Run ``command`` to its end.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started, used_before = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(command, env=dict(environment), stdout=output, stderr=errors, text=True)
        peak = _watch_memory(process)
        seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed:\n{errors.read()[-4000:]}")
        return Finished(seconds, _cpu_of_children() - used_before, peak / 2**20, output.read())


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _watch_memory(process: subprocess.Popen[str]) -> int:
    """The most memory that the process and its descendants have together until it ends, in bytes."""
    peak = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        while not ended.wait(_SAMPLE_SECONDS):
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, sum(map(_take_pss, [root, *root.children(recursive=True)])))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        process.wait()
    finally:
        ended.set()
        watcher.join()
    return peak


def _take_pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
