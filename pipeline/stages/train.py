"""Train: fit an estimator to features and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.matrix import take_matrix

MINIMUM_ROWS = 50
"""Below this no split of the rows says anything; what a good model needs is the job's ``training.minimum``."""


def fit_model(
    build_model: Callable[[int], Any],
    features: pd.DataFrame,
    labels: pd.Series,
    seed: int,
    *,
    job: Job,
    partition: str | None = None,
) -> Any:
    """Fit what ``build_model(seed)`` makes.

    The same rows in the same order and the same seed give the same model, in one environment.

    Args:
        build_model: the job's model: gives an unfitted scikit-learn estimator over the feature columns; categories are
            str columns, and turning them into numbers is the estimator's business.
        features: as built, one row an entity and partition.
        labels: one a row of ``features``, in the same order: 0 or 1, or False or True, for a binary task; else a finite
            number.
        partition: the newest one trained on, for errors.

    Returns:
        The fitted estimator.

    Raises:
        BadInputError: too few rows, a label that is missing or no outcome of the task, one class only, or infinity.
    """
    target = _check_labels(features, labels, job, partition)
    matrix = take_matrix(features, job, partition)
    return build_model(seed).fit(matrix, target)


def _check_labels(features: pd.DataFrame, labels: pd.Series, job: Job, partition: str | None) -> np.ndarray:
    """Labels as int64 classes or float64 outcomes."""
    if len(labels) != len(features):
        raise _bad("labels do not belong to the features", f"{len(features)} labels", f"{len(labels)}", job, partition)
    if len(labels) < MINIMUM_ROWS:
        raise _bad("too few rows to train on", f"{MINIMUM_ROWS} or more", f"{len(labels)}", job, partition)
    values = labels.to_numpy(dtype="float64", na_value=np.nan)
    unusable = int((~np.isfinite(values)).sum())
    if unusable:
        found = f"{unusable} of {len(values)} missing or infinite"
        raise _bad("labels are not all known", "a finite label a row", found, job, partition)
    if job.task == "regression":
        return values
    classes = np.unique(values)
    if not np.isin(classes, (0.0, 1.0)).all():
        found = f"{len(classes)} different values"
        raise _bad("labels of a binary task are no outcomes", "0 and 1", found, job, partition)
    if len(classes) < 2:
        found = f"only {int(classes[0])} in {len(values)} rows"
        raise _bad("labels hold one class only", "0 and 1", found, job, partition)
    return values.astype("int64")


def _bad(problem: str, expected: str, found: str, job: Job, partition: str | None) -> BadInputError:
    return BadInputError(
        problem,
        job=job.name,
        partition=partition,
        expected=expected,
        found=found,
        next_step="look at the label's source and at the partitions of the training window, then train again",
    )
