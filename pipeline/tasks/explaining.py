"""Explain a release: its manifest and what became of it, from the lake alone."""

from __future__ import annotations

from pipeline.job import Job
from pipeline.tasks.manifests import require_manifest
from pipeline.tasks.release_history import find_events
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace


def explain_release(workspace: Workspace, job: Job, generation: str) -> Summary:
    """Where a release came from, and what became of it.

    Returns:
        ``manifest``; ``history``, the events of the release log that concern it, without headers.

    Raises:
        NotReadyError: there is no such release.
    """
    manifest = require_manifest(workspace, job, generation)
    events = find_events(workspace, job, generation)
    return {
        "manifest": manifest,
        "history": [event.model_dump(mode="json", exclude={"header"}) for event in events],
    }
