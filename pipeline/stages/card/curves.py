"""Curves: how scores rank rows, how far they are from what happened, and how often by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.stages.card.digits import shorten
from pipeline.stages.evaluate import Task, split_by_score

FEWEST_ROWS = 30
"""Rows of a bin at the least: fewer would tell of single ones."""

_BINS = 10
_GRID = 101
_NORMAL_95 = 1.96
_RESIDUAL_BINS = 30


def compute_roc(labels: pd.Series, scores: pd.Series) -> list[tuple[float, float]]:
    """The ROC curve as (false positive rate, true positive rate), at 101 evenly spaced false positive rates.

    Args:
        labels: 0 or 1, both present.
        scores: of the same rows in the same order.
    """
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(labels.to_numpy(dtype="float64"), scores.to_numpy())
    grid = np.linspace(0, 1, _GRID)
    return [
        (shorten(x), shorten(y)) for x, y in zip(grid, np.interp(grid, false_positives, true_positives), strict=True)
    ]


def compute_bins(task: Task, labels: pd.Series, scores: pd.Series) -> list[dict[str, float]]:
    """Mean score and mean outcome in at most ten bins of as many rows each, the lowest scores first.

    Returns:
        Objects with ``rows``, ``score``, ``outcome``, and ``low`` and ``high``, between which the mean outcome is with
        95 % confidence (normal approximation, rows taken as independent).
    """
    truth, predicted = labels.to_numpy(dtype="float64"), scores.to_numpy(dtype="float64")
    bounds = (0.0, 1.0) if task == "binary" else (-np.inf, np.inf)
    return [_describe_bin(truth[rows], predicted[rows], bounds) for rows in _split(predicted)]


def _describe_bin(truth: np.ndarray, predicted: np.ndarray, bounds: tuple[float, float]) -> dict[str, float]:
    mean = truth.mean()
    reach = _NORMAL_95 * truth.std() / np.sqrt(len(truth))
    low, high = np.clip([mean - reach, mean + reach], *bounds)
    return {
        "rows": len(truth),
        "score": shorten(predicted.mean()),
        "outcome": shorten(mean),
        "low": shorten(low),
        "high": shorten(high),
    }


def compute_residuals(labels: pd.Series, scores: pd.Series) -> dict[str, Any]:
    """Predicted against actual, for a regression.

    Returns:
        ``spread``: in at most ten bins of as many rows each, the mean ``score`` and the 10 %, 50 % and 90 % quantiles
        of the outcome (``low``, ``middle``, ``high``); ``edges`` and ``counts``: a histogram of score minus outcome,
        whose first and last bins hold the outermost 1 % as well.
    """
    truth, predicted = labels.to_numpy(dtype="float64"), scores.to_numpy(dtype="float64")
    spread = []
    for rows in _split(predicted):
        low, middle, high = (shorten(value) for value in np.quantile(truth[rows], [0.1, 0.5, 0.9]))
        spread.append({"score": shorten(predicted[rows].mean()), "low": low, "middle": middle, "high": high})
    missed = predicted - truth
    first, last = np.quantile(missed, [0.01, 0.99])
    counts, edges = np.histogram(np.clip(missed, first, last), bins=_RESIDUAL_BINS)
    return {"spread": spread, "edges": [shorten(edge) for edge in edges], "counts": [int(count) for count in counts]}


def _split(predicted: np.ndarray) -> list[np.ndarray]:
    return split_by_score(predicted, min(_BINS, max(1, len(predicted) // FEWEST_ROWS)))
