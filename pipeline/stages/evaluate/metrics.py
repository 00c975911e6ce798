"""Metrics: how good scores were, against what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.errors import BadInputError

Task = Literal["binary", "regression"]

PRIMARY_METRIC: Mapping[Task, str] = {"binary": "log_loss", "regression": "rmse"}
"""What decides, by task; lower is better for both.  Log loss is a proper score: it judges rank and calibration."""


CALIBRATION_BINS = 10

BusinessCost = Callable[[pd.Series, pd.Series], pd.Series]
"""function(labels, scores) -> cost of each row, in the job's own unit; lower is better."""


def compute_metrics(
    task: Task, labels: pd.Series, scores: pd.Series, business_cost: BusinessCost | None = None
) -> dict[str, float]:
    """Quality of ``scores`` against what happened.

    Args:
        labels: 0 or 1 for a binary task, else a number; none missing.
        scores: of the same rows in the same order.
        business_cost: the job's own, of each row.

    Returns:
        ``rows`` and ``calibration_error`` (see :func:`compute_calibration_error`); for a binary task
        ``positive_share``, ``auc``, ``log_loss`` (nats), ``brier`` and ``calibration`` (calibration in the large: mean
        score minus positive share); for a regression ``rmse`` and ``mae`` in units of the label, ``bias`` (mean score
        minus mean label) and ``r2``.  ``business_cost`` is the mean of the job's own, if it is given.

    Raises:
        BadInputError: no rows (one, for a regression), a value that is not finite, or labels of one class.
    """
    truth = labels.to_numpy(dtype="float64", na_value=np.nan)
    predicted = scores.to_numpy(dtype="float64", na_value=np.nan)
    _check_comparable(truth, predicted)
    measure = _measure_binary if task == "binary" else _measure_regression
    error = compute_calibration_error(truth, predicted)
    found = {"rows": float(len(truth)), **measure(truth, predicted), "calibration_error": error}
    if business_cost is None:
        return found
    costs = np.asarray(business_cost(pd.Series(truth), pd.Series(predicted)), dtype="float64")
    return {**found, "business_cost": float(costs.mean())}


def compute_calibration_error(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Expected calibration error: mean distance between mean score and mean label, over ten bins of as many rows each.

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", with bins of
    equal counts; in units of the label.
    """
    bins = split_by_score(predicted, CALIBRATION_BINS)
    gaps = [len(rows) * abs(predicted[rows].mean() - truth[rows].mean()) for rows in bins]
    return float(sum(gaps) / len(predicted))


def split_by_score(predicted: np.ndarray, most: int) -> list[np.ndarray]:
    """Positions of the rows in at most so many bins of as many rows each, the lowest scores first."""
    order = np.argsort(predicted, kind="stable")
    return np.array_split(order, min(most, len(order)))


def compute_row_losses(task: Task, labels: pd.Series, scores: pd.Series) -> np.ndarray:
    """What each row adds to the primary metric: its log loss in nats, or its squared error; float64.

    Args:
        labels: 0 or 1 for a binary task, else a number; none missing.
        scores: of the same rows in the same order.
    """
    truth, predicted = labels.to_numpy(dtype="float64"), scores.to_numpy(dtype="float64")
    if task == "regression":
        return np.asarray(np.square(predicted - truth))
    sure = np.finfo(np.float64).eps  # as scikit-learn's log_loss does: a sure and wrong score costs 36 nats
    likely = np.clip(np.where(truth == 1, predicted, 1 - predicted), sure, 1 - sure)
    return np.asarray(-np.log(likely))


def to_metric(task: Task, mean_loss: np.ndarray) -> np.ndarray:
    """The primary metric, from means of row losses."""
    return np.asarray(np.sqrt(mean_loss)) if task == "regression" else mean_loss


def _measure_binary(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    if set(np.unique(truth)) != {0.0, 1.0}:
        raise _bad("labels of a binary task must hold both outcomes", "0 and 1", f"{len(np.unique(truth))} values")
    return {
        "positive_share": float(truth.mean()),
        "auc": float(roc_auc_score(truth, predicted)),
        "log_loss": float(log_loss(truth, predicted)),
        "brier": float(brier_score_loss(truth, predicted)),
        "calibration": float(predicted.mean() - truth.mean()),
    }


def _measure_regression(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    if len(truth) < 2:
        raise _bad("too few rows to measure on", "two or more", f"{len(truth)}")
    return {
        "rmse": float(root_mean_squared_error(truth, predicted)),
        "mae": float(mean_absolute_error(truth, predicted)),
        "bias": float(predicted.mean() - truth.mean()),
        "r2": float(r2_score(truth, predicted)),
    }


def _check_comparable(truth: np.ndarray, predicted: np.ndarray) -> None:
    if len(truth) != len(predicted) or not len(truth):
        raise _bad(
            "scores cannot be compared with labels", f"{len(truth)} scores, and one or more", f"{len(predicted)}"
        )
    unusable = int((~np.isfinite(truth)).sum()), int((~np.isfinite(predicted)).sum())
    if any(unusable):
        raise _bad(
            "scores cannot be compared with labels",
            "finite values",
            f"{unusable[0]} labels and {unusable[1]} scores missing or infinite",
        )


def _bad(problem: str, expected: str, found: str) -> BadInputError:
    return BadInputError(
        problem,
        expected=expected,
        found=found,
        next_step="choose a holdout whose labels are all known; a longer one if an outcome does not occur in it",
    )
