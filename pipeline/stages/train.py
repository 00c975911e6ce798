"""Train: fit an estimator to features and labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Calibration, Job
from pipeline.stages.matrix import take_matrix
from pipeline.stages.search import Candidate, Parameters, build_with, search_parameters

MINIMUM_ROWS = 50
"""Below this no split of the rows says anything; what a good model needs is the job's ``training.minimum``."""


@dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Attributes:
        parameters: that the search chose; empty without one.
        tried: every combination that the search measured, the best first.
    """

    estimator: Any
    parameters: Parameters
    tried: list[Candidate]


def fit_model(
    build_model: Callable[[int], Any],
    features: pd.DataFrame,
    labels: pd.Series,
    partitions: pd.Series,
    *,
    job: Job,
    partition: str | None = None,
) -> Fitted:
    """Choose parameters if the job searches, fit what ``build_model(seed)`` makes, calibrate it if the job says so.

    The same rows in the same order and the same seed give the same model, byte for byte in one environment, on however
    many cores: all is done on one thread, since sums over several differ in their last digits, and some estimators keep
    the number.

    Args:
        build_model: the job's model: gives an unfitted scikit-learn estimator over the feature columns; categories are
            str columns, and turning them into numbers is the estimator's business.
        features: as built, one row an entity and partition.
        labels: one a row of ``features``, in the same order: 0 or 1, or False or True, for a binary task; else a finite
            number.
        partitions: of the same rows, as text.
        partition: the newest one trained on, for errors.

    Raises:
        BadInputError: too few rows, a label that is missing or no outcome of the task, one class only, or infinity.
        NotReadyError: there are too few partitions to search or to calibrate on.
        DeclarationError: the search names a parameter that the estimator does not have.
    """
    target = _check_labels(features, labels, job, partition)
    matrix = take_matrix(features, job, partition)
    is_kept = _keep_for_calibration(partitions, job)
    matrix_fitted, target_fitted = matrix[~is_kept], target[~is_kept]
    with threadpool_limits(limits=1):
        tried = search_parameters(build_model, matrix_fitted, target_fitted, partitions[~is_kept], job)
        chosen = tried[0].parameters if tried else {}
        estimator = build_with(build_model, chosen, job).fit(matrix_fitted, target_fitted)
        if job.training.calibration is not None:
            estimator = _calibrate(estimator, matrix[is_kept], target[is_kept], job.training.calibration)
    return Fitted(estimator, chosen, tried)


def _keep_for_calibration(partitions: pd.Series, job: Job) -> np.ndarray:
    """Which rows the model does not see, so that it can be calibrated on them."""
    calibration = job.training.calibration
    if calibration is None:
        return np.zeros(len(partitions), dtype=bool)
    days = sorted(set(partitions))
    if len(days) <= calibration.partitions:
        raise NotReadyError(
            "there are too few partitions to calibrate on",
            job=job.name,
            expected=f"more than {calibration.partitions} partitions",
            found=f"{len(days)}",
            next_step="lower calibration.partitions, or train on more history",
        )
    return np.asarray(partitions >= days[-calibration.partitions])


def _calibrate(estimator: Any, matrix: pd.DataFrame, target: np.ndarray, calibration: Calibration) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    return CalibratedClassifierCV(FrozenEstimator(estimator), method=calibration.method).fit(matrix, target)


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
