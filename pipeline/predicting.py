"""What a fitted estimator says of rows: for the stage that scores and for the store that checks what it has loaded."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd


def predict_outcomes(estimator: Any, matrix: pd.DataFrame, task: Literal["binary", "regression"]) -> np.ndarray:
    """One number a row, not rounded: the probability of the second class for a binary task, else the value."""
    if task == "regression":
        return np.asarray(estimator.predict(matrix), dtype="float64")
    return np.asarray(estimator.predict_proba(matrix)[:, 1], dtype="float64")


def round_scores(scores: np.ndarray, decimals: int) -> np.ndarray:
    """Scores rounded half to even; a negative zero becomes zero, so that equal scores have equal text."""
    return np.asarray(np.round(np.asarray(scores, dtype="float64"), decimals) + 0.0)
