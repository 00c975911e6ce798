"""Evaluate: how good scores were, and whether a challenger may become champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.errors import BadInputError, RefusedError

Task = Literal["binary", "regression"]

PRIMARY_METRIC: Mapping[Task, str] = {"binary": "log_loss", "regression": "rmse"}
"""What decides, by task; lower is better for both.  Log loss is a proper score: it judges rank and calibration."""


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why: one sentence with the numbers."""

    promote: bool
    why: str


def compute_metrics(task: Task, labels: pd.Series, scores: pd.Series) -> dict[str, float]:
    """Quality of ``scores`` against what happened.

    Args:
        labels: 0 or 1 for a binary task, else a number; none missing.
        scores: of the same rows in the same order.

    Returns:
        ``rows``, and for a binary task ``positive_share``, ``auc``, ``log_loss`` (nats), ``brier`` and ``calibration``
        (calibration in the large: mean score minus positive share); for a regression ``rmse`` and ``mae`` in units of
        the label, ``bias`` (mean score minus mean label) and ``r2``.

    Raises:
        BadInputError: no rows (one, for a regression), a value that is not finite, or labels of one class.
    """
    truth = labels.to_numpy(dtype="float64", na_value=np.nan)
    predicted = scores.to_numpy(dtype="float64", na_value=np.nan)
    _check_comparable(truth, predicted)
    measure = _measure_binary if task == "binary" else _measure_regression
    return {"rows": float(len(truth)), **measure(truth, predicted)}


def decide(
    task: Task, champion: Mapping[str, float] | None, challenger: Mapping[str, float], margin: float
) -> Decision:
    """Promote a challenger that is not worse than the champion on the primary metric, both measured on the same rows.

    Args:
        champion: its metrics; None if there is no champion.
        margin: how much worse the challenger may be, in units of the primary metric.

    Raises:
        RefusedError: the two were not measured on the same rows.
    """
    metric = PRIMARY_METRIC[task]
    new = challenger[metric]
    if champion is None:
        return Decision(True, f"there is no champion yet; the challenger's {metric} is {new:.6f}")
    _check_same_rows(champion, challenger)
    old = champion[metric]
    numbers = (
        f"{metric} of the challenger is {new:.6f}, of the champion {old:.6f} on the same {challenger['rows']:.0f} rows "
        f"(lower is better, {margin:g} worse is allowed)"
    )
    if new <= old + margin:
        return Decision(True, f"not worse than the champion: {numbers}")
    return Decision(False, f"worse than the champion, so it stays challenger: {numbers}")


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


def _check_same_rows(champion: Mapping[str, float], challenger: Mapping[str, float]) -> None:
    """Counts and shares cannot prove that the rows are the same, but they catch it when they are not."""
    for name in ("rows", "positive_share"):
        if champion.get(name) != challenger.get(name):
            raise RefusedError(
                "champion and challenger were not measured on the same rows",
                expected=f"{name} {champion.get(name)} as for the champion",
                found=f"{name} {challenger.get(name)} for the challenger",
                next_step="measure both on one holdout, then decide",
            )


def _bad(problem: str, expected: str, found: str) -> BadInputError:
    return BadInputError(
        problem,
        expected=expected,
        found=found,
        next_step="choose a holdout whose labels are all known; a longer one if an outcome does not occur in it",
    )
