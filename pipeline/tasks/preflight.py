"""Whether the lake has room, asked before a release is loaded."""

from __future__ import annotations

from typing import Any

from pipeline.errors import UnavailableError
from pipeline.job import Job
from pipeline.tasks.manifests import list_releases, read_manifest
from pipeline.tasks.scoring import SCORE_STAGE
from pipeline.tasks.workspace import Workspace

LEAST_FREE = 64 * 2**20
"""Bytes for what every night writes, whatever its size: manifests, run records, Data Docs, logs."""


def check_space(workspace: Workspace, job: Job, rows: int) -> dict[str, Any]:
    """Whether the lake's disk could take the scores of ``rows`` entities once more, as a re-run would write them.

    Bytes of a row are measured on the scores of the newest release.  An object store has no end that is known.

    Returns:
        ``free``, ``needed`` and ``total`` bytes; ``free`` and ``total`` are None where they are not known.

    Raises:
        UnavailableError: there is less room than that; with numbers.
    """
    usage = workspace.lake.disk_usage()
    needed = LEAST_FREE + int(rows * (_measure_scores(workspace, job) or 0.0))
    if usage is None:
        return {"free": None, "needed": needed, "total": None}
    total, free = usage
    if free < needed:
        raise UnavailableError(
            f"the lake has too little room, so nothing was loaded: {workspace.lake.root}",
            job=job.name,
            expected=f"{needed:,} bytes free for a night of {rows:,} rows",
            found=f"{free:,} of {total:,}",
            next_step="free its disk (retention shows what may go), then publish again",
        )
    return {"free": free, "needed": needed, "total": total}


def _measure_scores(workspace: Workspace, job: Job) -> float | None:
    """Bytes of a row in the scores of the newest release; None if there is no release."""
    releases = list_releases(workspace, job)
    if not releases:
        return None
    address = read_manifest(workspace, job, releases[-1])["scores"]["address"]
    scores = f"stages/{job.name}/{SCORE_STAGE}/{address}"
    try:
        rows = sum(workspace.outputs(job).load(SCORE_STAGE, address).rows.values())
        size = sum(workspace.lake.size(f"{scores}/{name}") for name in workspace.lake.list(scores))
    except FileNotFoundError:  # retention took them
        return None
    return size / max(1, rows)
