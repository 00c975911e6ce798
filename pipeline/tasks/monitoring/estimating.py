"""Estimate how good a night's scores are, before any of its labels is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from pipeline.job import Job, import_attribute
from pipeline.monitoring import Estimate, Graded
from pipeline.stages.monitor.estimate import (
    count_scores,
    estimate_metrics,
    find_known,
    list_judged,
    object_to_estimates,
)
from pipeline.stages.monitor.estimate import judge_estimate as estimate_signal
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.comparing import SCORES
from pipeline.tasks.workspace import Workspace

__all__ = ["estimate_night", "estimate_signal"]


def estimate_night(workspace: Workspace, job: Job, partition: str, scored: Output) -> Estimate | None:
    """The metrics that the scores of a night promise, by what scores were worth on the nights that it can know of.

    It knows the nights whose labels had closed by its own cutoff, also where it is run again later.

    Args:
        scored: output of the score stage.

    Returns:
        None while fewer than ``monitoring.minimum`` nights are graded.

    Raises:
        DamagedError, FileNotFoundError: the scores are not what their manifest says, or are gone.
    """
    watched = job.monitoring
    judged = list_judged(_read_known(workspace, job, partition))
    if len(judged) < watched.minimum:
        return None
    calibration = [each for night in judged[-watched.history :] for each in night.calibration]
    counts = count_scores(_read_scores(workspace, job, scored))
    cost = None if job.business_cost is None else import_attribute(job.business_cost)
    metrics = estimate_metrics(job.task, counts, calibration, cost)
    return Estimate(metrics=metrics, muted=object_to_estimates(job, judged))


def _read_known(workspace: Workspace, job: Job, partition: str) -> list[Graded]:
    """What was graded by the cutoff of the partition: enough to learn from, and to tell how the estimates did."""
    last = date.fromisoformat(find_known(job, partition))
    first = last - timedelta(days=2 * job.monitoring.history + job.label.closes_after)
    return workspace.monitoring(job).graded(first.isoformat(), last.isoformat())


def _read_scores(workspace: Workspace, job: Job, scored: Output) -> Iterator[np.ndarray]:
    for label in scored.shards(SCORES):
        yield workspace.outputs(job).read(scored, label, ["prediction"])["prediction"].to_numpy()
