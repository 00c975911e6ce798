"""Paired bootstrap: how sure the difference between two models is that scored the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.stages.evaluate.metrics import Task, to_metric

RESAMPLES = 2000
FEWEST_CLUSTERS = 5
"""With fewer partitions than this nothing can be said by drawing among them, and rows are drawn instead."""


@dataclass(frozen=True)
class Interval:
    """The primary metric of the challenger minus that of the champion: below zero the challenger is better.

    Attributes:
        low, high: ends of the two-sided interval.
        rows: that both scored.
        drawn: what was resampled; rows, of fewer partitions than can be drawn among, are no independent witnesses.
    """

    difference: float
    low: float
    high: float
    rows: int
    drawn: Literal["partitions", "rows"] = "partitions"

    def describe(self) -> str:
        """In words."""
        caveat = f", drawn singly, since they are of fewer than {FEWEST_CLUSTERS} partitions"
        told = f"{self.rows} rows{caveat if self.drawn == 'rows' else ''}"
        return f"{self.difference:+.5f} ({self.low:+.5f} to {self.high:+.5f}, {told})"


def bootstrap_difference(
    task: Task,
    champion: np.ndarray,
    challenger: np.ndarray,
    clusters: np.ndarray,
    *,
    confidence: float,
    seed: int,
) -> Interval:
    """The percentile interval of the difference, from resampled partitions.

    What happens on one day happens to all its rows, so days are drawn, with replacement, and both models keep the rows
    of a day together (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 8.5 and 13.3).  The
    interval is widened by ``sqrt(k / (k - 1))``: by so much the spread of means of ``k`` drawn clusters is too narrow.

    Args:
        champion, challenger: row losses, aligned.
        clusters: partition of each row.
        confidence: of the two-sided interval, such as 0.95.
    """
    _, numbers = np.unique(clusters, return_inverse=True)
    is_by_rows = bool(numbers.max() + 1 < FEWEST_CLUSTERS)
    if is_by_rows:
        numbers = np.arange(len(clusters))
    count = int(numbers.max()) + 1
    sums = np.stack([np.bincount(numbers, weights, count) for weights in (np.ones(len(numbers)), champion, challenger)])
    difference = float(_subtract(task, sums.sum(axis=1, keepdims=True))[0])
    chance = np.random.default_rng(seed)
    drawn = np.concatenate([_draw(chance, sums, size) for size in _split(RESAMPLES, count)], axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(_subtract(task, drawn), [tail, 1 - tail])
    widening = np.sqrt(count / (count - 1)) if count > 1 else 1.0
    return Interval(
        difference,
        float(difference + (low - difference) * widening),
        float(difference + (high - difference) * widening),
        len(champion),
        "rows" if is_by_rows else "partitions",
    )


def bootstrap_mean(values: np.ndarray, *, confidence: float, seed: int) -> tuple[float, float]:
    """The percentile interval of the mean of values that are drawn with replacement, widened likewise.

    Neighbouring weeks are taken for independent witnesses, which they are not quite: it is narrow rather than wide.
    """
    count = len(values)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES) @ values / count
    tail, mean = (1 - confidence) / 2, values.mean()
    widening = np.sqrt(count / (count - 1)) if count > 1 else 1.0
    low, high = (mean + (end - mean) * widening for end in np.quantile(drawn, [tail, 1 - tail]))
    return float(low), float(high)


def _subtract(task: Task, sums: np.ndarray) -> np.ndarray:
    """Challenger minus champion, by column of (rows, champion's losses, challenger's losses)."""
    rows, champion, challenger = sums
    return np.asarray(to_metric(task, challenger / rows) - to_metric(task, champion / rows))


def _draw(chance: np.random.Generator, sums: np.ndarray, resamples: int) -> np.ndarray:
    count = sums.shape[1]
    times = chance.multinomial(count, np.full(count, 1 / count), size=resamples)
    return sums @ times.T


def _split(resamples: int, count: int) -> list[int]:
    """Sizes of batches of resamples that take some tens of megabytes at most."""
    size = max(1, min(resamples, 5_000_000 // count))
    return [min(size, resamples - start) for start in range(0, resamples, size)]
