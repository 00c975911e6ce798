"""Parts: the primary metric by partition and by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipeline.job import Job
from pipeline.stages.card.digits import shorten
from pipeline.stages.evaluate import bootstrap_difference, compute_row_losses, to_metric

MOST_SEGMENTS = 12
"""Segments of a column that a card shows: those of the most rows."""


def measure_partitions(
    job: Job, labels: pd.Series, challenger: pd.Series, champion: pd.Series | None, partitions: pd.Series
) -> list[dict[str, Any]]:
    """The primary metric on each partition, the oldest first.

    Returns:
        Objects with ``partition``, ``rows``, ``challenger`` and ``champion`` (None without one).
    """
    losses = _measure_losses(job, labels, challenger, champion)
    groups = pd.Series(np.arange(len(labels))).groupby(partitions.to_numpy())
    return [{"partition": str(day), **_describe_rows(job, losses, rows.to_numpy())} for day, rows in groups]


def measure_segments(
    job: Job,
    labels: pd.Series,
    challenger: pd.Series,
    champion: pd.Series | None,
    segments: pd.DataFrame,
    partitions: pd.Series,
    differences: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The primary metric on each segment of enough rows, at most twelve a column, and how many are left out.

    Args:
        segments: of the same rows, by column; ids are no segments and are left out.
        differences: what the gate found, each with ``column``, ``value`` and ``interval``.

    Returns:
        By column, objects with ``column``, ``plot`` (a name for it), ``left_out`` (segments that are not shown),
        ``too_small`` (segments that are not judged) and ``values``: objects with ``value``, ``rows``, ``challenger``
        and ``champion``, ``low`` and ``high`` (the 95 % interval of the challenger's metric) and ``difference`` (the
        gate's interval, or None).
    """
    losses = _measure_losses(job, labels, challenger, champion)
    judged = {(item["column"], item["value"]): item["interval"] for item in differences}
    days = partitions.to_numpy()
    found = []
    for place, column in enumerate(name for name in segments.columns if name != job.entity_id):
        numbers = pd.Series(np.arange(len(labels))).groupby(segments[column].to_numpy())
        groups = sorted(((str(value), rows.to_numpy()) for value, rows in numbers), key=lambda item: -len(item[1]))
        enough = [item for item in groups if len(item[1]) >= job.training.gate.min_segment]
        shown = [
            {
                "value": value,
                **_describe_rows(job, losses, rows),
                **_measure_interval(job, losses[0][rows], days[rows]),
                "difference": _shorten_all(judged.get((column, value))),
            }
            for value, rows in enough[:MOST_SEGMENTS]
        ]
        found.append(
            {
                "column": column,
                "plot": f"segments-{place + 1}",
                "values": shown,
                "left_out": len(enough) - len(shown),
                "too_small": len(groups) - len(enough),
            }
        )
    return found


def conceal_segments(segments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same without the segments' values: by column, how many there are, and the best and the worst metric.

    Returns:
        Objects with ``column``, ``left_out``, ``too_small``, ``shown`` (how many), ``best`` and ``worst``.
    """
    concealed = []
    for column in segments:
        metrics = [value["challenger"] for value in column["values"]]
        counts = {name: column[name] for name in ("column", "left_out", "too_small")}
        extremes = {"best": min(metrics, default=None), "worst": max(metrics, default=None)}
        concealed.append({**counts, "shown": len(metrics), **extremes})
    return concealed


def _measure_losses(job: Job, labels: pd.Series, challenger: pd.Series, champion: pd.Series | None) -> list[np.ndarray]:
    """Row losses of the challenger and, if there is one, of the champion."""
    return [compute_row_losses(job.task, labels, scores) for scores in (challenger, champion) if scores is not None]


def _describe_rows(job: Job, losses: Sequence[np.ndarray], rows: np.ndarray) -> dict[str, Any]:
    metrics = [shorten(float(to_metric(job.task, loss[rows].mean()))) for loss in losses]
    return {"rows": len(rows), "challenger": metrics[0], "champion": metrics[1] if len(metrics) > 1 else None}


def _measure_interval(job: Job, losses: np.ndarray, days: np.ndarray) -> dict[str, float]:
    """The interval of the metric itself: its difference to a model that loses nothing."""
    nothing = np.zeros(len(losses))
    interval = bootstrap_difference(job.task, nothing, losses, days, confidence=0.95, seed=job.training.seed)
    return {"low": shorten(max(interval.low, 0.0)), "high": shorten(interval.high)}


def _shorten_all(interval: Mapping[str, float] | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {name: shorten(interval[name]) for name in ("difference", "low", "high")}
