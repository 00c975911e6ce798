"""What readers are given at this moment."""

from __future__ import annotations

from collections.abc import Mapping
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
        ``open_alarms``, or None; ``damaged``, why the lake does not tell of these two, in words, or None.
    """
    found: dict[str, Any] = {"live": None, "problem": None}
    try:
        with closing(Reader(workspace.settings.url_for_reading, job.name, clock=workspace.clock)) as reader:
            found["live"] = reader.status().to_json()
    except NightjarError as error:
        found["problem"] = error.problem
    return {
        "now": workspace.clock().isoformat(timespec="seconds"),
        "clock_moved": isinstance(workspace.clock, MovedClock),
        **found,
        **_ask_lake(workspace, job, found["live"]),
    }


def _ask_lake(workspace: Workspace, job: Job, live: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the lake has to say; one job whose files are damaged keeps no other from being shown."""
    try:
        return {
            "accounting": {} if live is None else _read_accounting(workspace, job, live["generation"]),
            "open_alarms": len(list_open(workspace.monitoring(job).alarms.events())),
            "damaged": None,
        }
    except NightjarError as error:
        return {"accounting": {}, "open_alarms": None, "damaged": error.problem}


def _read_accounting(workspace: Workspace, job: Job, generation: str) -> dict[str, int]:
    try:
        accounting: dict[str, int] = read_manifest(workspace, job, generation)["accounting"]
    except FileNotFoundError:  # the lake lost it, and Redis serves on
        return {}
    return accounting
