"""What readers are given at this moment."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.serving import Reader
from pipeline.stores.alarms import list_open
from pipeline.tasks.clocks import MovedClock
from pipeline.tasks.manifests import read_manifest
from pipeline.tasks.workspace import Workspace


def view_live(workspace: Workspace, job: Job) -> dict[str, Any]:
    """What is live, how old it is, and how many alarms are open.

    Returns:
        ``now`` (UTC); ``clock_moved``, whether ``NIGHTJAR_CLOCK`` says so; ``live``, the header with ``age_seconds``
        and ``stale``, or None; ``problem``, why it is None, in words; ``accounting`` of the live release's rows;
        ``open_alarms``.
    """
    found: dict[str, Any] = {"live": None, "problem": None, "accounting": {}}
    try:
        with closing(Reader(workspace.settings.url_for_reading, job.name, clock=workspace.clock)) as reader:
            found["live"] = reader.status().to_json()
    except NightjarError as error:
        found["problem"] = error.problem
    else:
        found["accounting"] = _read_accounting(workspace, job, found["live"]["generation"])
    return {
        "now": workspace.clock().isoformat(timespec="seconds"),
        "clock_moved": isinstance(workspace.clock, MovedClock),
        **found,
        "open_alarms": len(list_open(workspace.monitoring(job).alarms.events())),
    }


def _read_accounting(workspace: Workspace, job: Job, generation: str) -> dict[str, int]:
    try:
        accounting: dict[str, int] = read_manifest(workspace, job, generation)["accounting"]
    except FileNotFoundError:  # the lake lost it, and Redis serves on
        return {}
    return accounting
