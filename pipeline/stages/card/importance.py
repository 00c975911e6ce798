"""Permutation importance: how much worse a model is without what a feature tells it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.job import Job
from pipeline.predicting import predict_outcomes
from pipeline.stages.card.digits import shorten
from pipeline.stages.evaluate import compute_row_losses, to_metric
from pipeline.stages.matrix import take_matrix
from pipeline.stages.sample import choose_rows

MOST_ROWS = 2000
REPEATS = 5


def measure_importance(
    estimator: Any, features: pd.DataFrame, labels: pd.Series, partitions: pd.Series, job: Job
) -> list[dict[str, Any]]:
    """By how much the primary metric grows if a feature's values are shuffled among rows, the most important first.

    Breiman 2001, "Random forests", as :func:`sklearn.inspection.permutation_importance` has it; over five shuffles,
    whose chance is the job's seed.

    Args:
        features: as built, one row an entity and partition; of more than 2000, those with the smallest digests count.
        labels, partitions: of the same rows.

    Returns:
        Objects with ``feature``, ``mean`` and ``spread`` (standard deviation over the shuffles), in the metric's units.
    """
    from sklearn.inspection import permutation_importance

    rows = choose_rows(features[job.entity_id], partitions, MOST_ROWS)
    matrix = take_matrix(features.iloc[rows].reset_index(drop=True), job, None)
    truth = labels.iloc[rows].to_numpy(dtype="float64")

    def measure(fitted: Any, shuffled: pd.DataFrame, target: np.ndarray) -> float:
        predicted = pd.Series(predict_outcomes(fitted, shuffled, job.task))
        losses = compute_row_losses(job.task, pd.Series(target), predicted)
        return -float(to_metric(job.task, losses.mean()))

    seed = job.training.seed
    with threadpool_limits(limits=1):  # of a few rows at a time, threads cost more than they do
        found = permutation_importance(estimator, matrix, truth, scoring=measure, n_repeats=REPEATS, random_state=seed)
    measured = zip(matrix.columns, found.importances_mean, found.importances_std, strict=True)
    ordered = sorted(measured, key=lambda item: -item[1])
    return [{"feature": name, "mean": shorten(mean), "spread": shorten(spread)} for name, mean, spread in ordered]
