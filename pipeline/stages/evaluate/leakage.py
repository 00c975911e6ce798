"""Leakage: a feature that alone tells the outcome too well mostly knows it from the future."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.declarations import Kind
from pipeline.stages.evaluate.metrics import Task

MOST_ROWS = 50_000
"""Rows that are looked at: at an AUC of 0.95 with a quarter of ones the standard error is then 0.002."""

_BINS = 20


def measure_features(
    task: Task, features: pd.DataFrame, labels: pd.Series, kinds: Mapping[str, Kind]
) -> dict[str, float]:
    """How well each feature alone tells the outcome, the best first.

    Values (numbers in 20 bins of equal counts, and whether there is a value at all) get the mean label of every other
    row, and are measured on the rows between: by AUC for a binary task, 0.5 is chance; by R² for a regression, 0 is.
    Of more than ``MOST_ROWS`` rows, evenly spaced ones are looked at.

    Args:
        features: with a column for every key of ``kinds``.
        labels: of the same rows in the same order, as for :func:`compute_metrics`.
    """
    every = max(-(-len(labels) // MOST_ROWS), 1)
    features, labels = features.iloc[::every], labels.iloc[::every]
    truth = labels.to_numpy(dtype="float64")
    is_learnt = np.arange(len(truth)) % 2 == 0
    power = {name: _measure(task, _number(features[name], kind), truth, is_learnt) for name, kind in kinds.items()}
    return dict(sorted(power.items(), key=lambda item: -item[1]))


def _number(values: pd.Series, kind: Kind) -> np.ndarray:
    """A small number a value; -1 for none."""
    if kind == "number" and values.nunique() > _BINS:
        return np.asarray(pd.qcut(values, _BINS, labels=False, duplicates="drop").fillna(-1).astype("int64"))
    return np.asarray(pd.factorize(values)[0])


def _measure(task: Task, numbers: np.ndarray, truth: np.ndarray, is_learnt: np.ndarray) -> float:
    from sklearn.metrics import r2_score, roc_auc_score

    means = pd.Series(truth[is_learnt]).groupby(numbers[is_learnt]).mean()
    told = pd.Series(numbers[~is_learnt]).map(means).fillna(truth[is_learnt].mean()).to_numpy()
    happened = truth[~is_learnt]
    if len(np.unique(happened)) < 2:
        return 0.5 if task == "binary" else 0.0
    return float(roc_auc_score(happened, told) if task == "binary" else max(r2_score(happened, told), 0.0))
