"""One command at a time in a home folder, and a way for another to end it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import psutil

from pipeline.errors import RefusedError
from pipeline.local.processes import Service, end_processes
from pipeline.local.services import services_folder

TIDY_UP_SECONDS = 40.0


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Keep other commands from starting services or running the demo in the same home folder meanwhile.

    Raises:
        RefusedError: another command does.
    """
    with _lock_path(home).open("a+") as stream:
        if not _take(stream):
            raise RefusedError(
                f"another `nightjar demo` or `nightjar up` is at work in {home}",
                next_step="wait until it has ended, or end it with `nightjar down`",
            )
        stream.truncate(0)
        stream.write(json.dumps(Service("nightjar", os.getpid(), psutil.Process().create_time(), "").to_json()))
        stream.flush()
        yield


def end_holder(home: Path) -> bool:
    """End the command that holds the home folder, which tidies up after itself; False where none does.

    Raises:
        UnavailableError: it cannot be ended.
    """
    with _lock_path(home).open("a+") as stream:
        if _take(stream):
            return False
        stream.seek(0)
        content = stream.read()
    holder = Service(**json.loads(content)).process() if content else None
    if holder is None or holder.pid == os.getpid():
        return False
    end_processes([holder], grace_seconds=TIDY_UP_SECONDS)
    return True


def _lock_path(home: Path) -> Path:
    return services_folder(home) / "lock"


def _take(stream: TextIO) -> bool:
    """Lock the file for as long as it is open; False where somebody else has."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
