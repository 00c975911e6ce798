"""Score: the champion's predictions for the entities of a partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pipeline.errors import BadInputError, OutdatedModelError, RefusedError
from pipeline.job import Job
from pipeline.predicting import predict_outcomes, round_scores
from pipeline.stages.matrix import take_matrix


class FittedModel(Protocol):
    """What scoring has to know of a model."""

    @property
    def version(self) -> str:
        """The model's version, for errors."""

    @property
    def estimator(self) -> Any:
        """A fitted scikit-learn estimator."""

    @property
    def feature_columns(self) -> Sequence[str]:
        """Columns it was trained on, in order."""

    @property
    def feature_set_digest(self) -> str:
        """Digest of the definitions of those columns."""


def score_rows(
    model: FittedModel,
    features: pd.DataFrame,
    job: Job,
    *,
    feature_set_digest: str,
    partition: str | None = None,
) -> pd.Series:
    """Predictions, rounded to the job's decimals: what the lake and Redis hold.

    Args:
        features: as built, one row an entity.
        feature_set_digest: digest of the feature set that ``features`` were built with.

    Returns:
        float64 by the index of ``features``: the probability of the outcome 1 for a binary task, else the value.

    Raises:
        OutdatedModelError: the features are not those that the model was trained on.
        RefusedError: its classes are not 0 and 1.
        BadInputError: a feature is infinite, or a score is not finite or outside the job's range.
    """
    _check_features(model, features, job, feature_set_digest, partition)
    matrix = take_matrix(features, job, partition)
    raw = _predict(model, matrix, job, partition) if len(matrix) else np.empty(0)
    scores = round_scores(raw, job.decimals)
    _check_scores(model, scores, job, partition)
    return pd.Series(scores, index=features.index, name="prediction", dtype="float64")


def _check_features(
    model: FittedModel, features: pd.DataFrame, job: Job, feature_set_digest: str, partition: str | None
) -> None:
    if feature_set_digest != model.feature_set_digest:
        raise _refused(
            f"model {model.version} was trained on other definitions of the features",
            f"feature set {model.feature_set_digest}",
            f"feature set {feature_set_digest}",
            job,
            partition,
            OutdatedModelError,
        )
    expected = list(model.feature_columns)
    found = [name for name in features.columns if name != job.entity_id]
    if found != expected:
        raise _refused(
            f"model {model.version} was trained on other columns",
            ", ".join(expected),
            f"{', '.join(found)} (missing: {sorted(set(expected) - set(found))}, "
            f"not expected: {sorted(set(found) - set(expected))})",
            job,
            partition,
            OutdatedModelError,
        )


def _predict(model: FittedModel, matrix: pd.DataFrame, job: Job, partition: str | None) -> np.ndarray:
    if job.task == "binary" and (classes := list(model.estimator.classes_)) != [0, 1]:
        problem = f"model {model.version} is no model of a binary task"
        raise _refused(problem, "the classes 0 and 1", f"the classes {classes}", job, partition)
    return predict_outcomes(model.estimator, matrix, job.task)


def _check_scores(model: FittedModel, scores: np.ndarray, job: Job, partition: str | None) -> None:
    low, high = job.score_range
    not_finite = int((~np.isfinite(scores)).sum())
    outside = int(((scores < low) | (scores > high)).sum())
    if not_finite or outside:
        raise BadInputError(
            f"model {model.version} gave scores that may not be published",
            job=job.name,
            partition=partition,
            expected=f"{len(scores)} finite scores from {low} to {high}",
            found=f"{not_finite} not finite, {outside} outside the range",
            next_step="nothing was published; look at the features of the partition and at the model, "
            "and demote the model if it is to blame",
        )


def _refused(
    problem: str,
    expected: str,
    found: str,
    job: Job,
    partition: str | None,
    kind: type[RefusedError] = RefusedError,
) -> RefusedError:
    return kind(
        problem,
        job=job.name,
        partition=partition,
        expected=expected,
        found=found,
        next_step=f"nothing was published; train on the features that there are now: nightjar train {job.name}",
    )
