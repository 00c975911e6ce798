"""A probe that reads a release as applications do, and takes the time."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.monitoring import ReadLatency
from pipeline.serving import Reader, StoreUnavailable
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.workspace import Workspace

SAMPLED_READS = 200

PATIENCE = 3
"""Reads that get no answer, after which no more are tried: each may take seconds to give up."""


def probe_reads(
    workspace: Workspace, job: Job, scored: Output, generation: str, partition: str | None
) -> ReadLatency | None:
    """Read entities of a release one by one, as the reader's user; None if it has none.

    Whatever a read fails with is an error that is counted, and never raised; so is an entity of the release that is not
    found in it.

    Args:
        scored: the predictions of the release.
        partition: reads this partition; None for what is live.
    """
    ids = sample_ids(workspace, job, scored)
    if not ids:
        return None
    reader = Reader(workspace.settings.url_for_reading, job.name, clock=workspace.clock)
    seconds: list[float] = []
    reads = errors = unanswered = 0
    try:
        for entity_id in ids:
            reads += 1
            start = time.perf_counter()
            try:
                answer = reader.get(entity_id, partition=partition)
            except NightjarError as error:
                errors += 1
                unanswered += isinstance(error, StoreUnavailable)
                if unanswered == PATIENCE:
                    break
                continue
            seconds.append(time.perf_counter() - start)
            errors += answer.generation == generation and answer.source not in ("fresh", "stale")
    finally:
        reader.close()
    return ReadLatency(
        reads=reads,
        errors=errors,
        p50=float(np.quantile(seconds, 0.5)) if seconds else 0.0,
        p99=float(np.quantile(seconds, 0.99)) if seconds else 0.0,
    )


def sample_ids(workspace: Workspace, job: Job, scored: Output) -> Sequence[str]:
    """Ids spread evenly over the shards of the scores and over the rows of each: the same ones every time."""
    labels = scored.shards(SCORES)
    ids: list[str] = []
    for label in labels:
        column = workspace.outputs(job).read(scored, label, ["entity_id"])["entity_id"]
        rows = np.linspace(0, len(column) - 1, min(len(column), -(-SAMPLED_READS // len(labels))), dtype="int64")
        ids += column.take(rows).to_pylist()
    return ids[:SAMPLED_READS]
