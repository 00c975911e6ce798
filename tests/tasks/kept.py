"""Workspaces as they were left, so that what takes long is done once and every test has a copy of its own."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace
from tests.clock import Clock

Entry = tuple[bytes, int, bytes]
"""A key of Redis, its milliseconds to live (0 for ever), and its value as ``DUMP`` has it."""


@dataclass(frozen=True)
class Kept:
    """A workspace as it was left.

    Attributes:
        home: copied by whoever opens it again.
        now: what its clock showed.
        entries: all that its Redis held.
        made: what came of the work in it.
    """

    home: Path
    now: datetime
    entries: tuple[Entry, ...] = ()
    made: Any = None


def keep(workspace: Workspace, made: Any = None) -> Kept:
    """Keep a workspace, whose home nobody must change from now on."""
    with connect(workspace.settings) as client:
        entries = tuple((key, max(client.pttl(key), 0), client.dump(key)) for key in client.scan_iter())
    return Kept(workspace.settings.home, workspace.clock(), entries, made)


def share_home(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A home that all processes of a test run copy: whoever asks for it first makes it, and the others wait."""
    folder = factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    home = folder / f"shared-{name}"
    with (folder / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            made = factory.mktemp(name) / "home"
            make(made)
            made.rename(home)
    return home


@contextmanager
def open_kept(kept: Kept, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """A copy of it, at the home and in the empty Redis of ``settings``."""
    put_back(kept, settings)
    clock.now = kept.now
    workspace = open_workspace(settings, clock)
    yield workspace
    workspace.predictions.close()


def put_back(kept: Kept, settings: Settings) -> None:
    """Its home, where there must be none, and what Redis held, which must be empty."""
    shutil.copytree(kept.home, settings.home)
    if kept.entries:
        with connect(settings) as client:
            for key, milliseconds, value in kept.entries:
                client.restore(key, milliseconds, value)


def connect(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(settings.redis_url.get_secret_value())
