from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from pipeline.errors import BadInputError, RefusedError
from pipeline.job import Job
from pipeline.predicting import round_scores
from pipeline.stages.score import score_rows
from tests.stages.parcel_job import PARCELS, PRICES, make_parcels

DIGEST = "f" * 64


@dataclass(frozen=True)
class ParcelModel:
    estimator: Any
    version: str = "3"
    feature_columns: tuple[str, ...] = ("weight", "distance")
    feature_set_digest: str = DIGEST


class FixedScores:
    """Predicts what it is told to."""

    classes_ = (0, 1)

    def __init__(self, *scores: float) -> None:
        self._scores = np.array(scores)

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        return self._scores

    def predict_proba(self, matrix: pd.DataFrame) -> np.ndarray:
        return np.column_stack([1 - self._scores, self._scores])


def fit_classifier() -> LogisticRegression:
    features, labels = make_parcels()
    return LogisticRegression().fit(features[["weight", "distance"]], labels)


def score(estimator: Any, features: pd.DataFrame, job: Job = PARCELS, digest: str = DIGEST) -> pd.Series:
    return score_rows(ParcelModel(estimator), features, job, feature_set_digest=digest, partition="2024-05-06")


def score_fixed(*scores: float, job: Job = PARCELS) -> list[float]:
    features, _ = make_parcels(len(scores))
    return list(score(FixedScores(*scores), features, job))


def test_a_binary_score_is_the_probability_of_1_rounded_to_the_jobs_decimals() -> None:
    features, _ = make_parcels()
    classifier = fit_classifier()
    scores = score(classifier, features)
    expected = classifier.predict_proba(features[["weight", "distance"]])[:, 1]
    assert scores.to_numpy() == pytest.approx(expected, abs=5.1e-5)
    assert [float(f"{value:.4f}") for value in scores] == list(scores)
    assert scores.dtype == "float64"


def test_a_regression_score_is_the_predicted_value() -> None:
    features, _ = make_parcels()
    estimator = LinearRegression().fit(features[["weight", "distance"]], features["weight"] * 3.0)
    assert score(estimator, features, PRICES).to_numpy() == pytest.approx(features["weight"] * 3.0, abs=5.1e-5)


def test_scores_keep_the_index_of_the_features() -> None:
    features, _ = make_parcels()
    features.index = pd.Index(range(500, 700))
    assert list(score(fit_classifier(), features).index) == list(features.index)


def test_a_shard_without_rows_has_no_scores() -> None:
    features, _ = make_parcels()
    scores = score(fit_classifier(), features.iloc[:0])
    assert len(scores) == 0
    assert scores.dtype == "float64"


def test_halves_are_rounded_to_even() -> None:
    assert list(round_scores(np.array([0.5, 1.5, 2.5]), 0)) == [0.0, 2.0, 2.0]


def test_negative_zero_becomes_zero() -> None:
    scores = score_fixed(-0.00001, 0.5, job=PRICES)
    assert [str(value) for value in scores] == ["0.0", "0.5"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.nan, "1 not finite, 0 outside the range"),
        (np.inf, "1 not finite, 1 outside the range"),
        (1.0002, "0 not finite, 1 outside the range"),
        (-0.0002, "0 not finite, 1 outside the range"),
    ],
)
def test_scores_that_are_not_finite_or_out_of_range_are_refused(value: float, found: str) -> None:
    with pytest.raises(BadInputError) as refused:
        score_fixed(0.5, value, 0.25)
    assert refused.value.found == found
    assert (refused.value.job, refused.value.partition) == ("parcels", "2024-05-06")


def test_the_ends_of_the_range_belong_to_it() -> None:
    assert score_fixed(0.0, 1.0) == [0.0, 1.0]


def test_infinity_in_a_feature_names_the_column_and_the_count() -> None:
    features, _ = make_parcels()
    features.loc[[4, 5, 6], "weight"] = [np.inf, -np.inf, np.inf]
    with pytest.raises(BadInputError, match="3 of 200 rows in weight"):
        score(fit_classifier(), features)


def test_a_missing_value_is_the_estimators_business() -> None:
    features, _ = make_parcels(3)
    features.loc[1, "weight"] = np.nan
    assert list(score(FixedScores(0.1, 0.2, 0.3), features)) == [0.1, 0.2, 0.3]


def test_other_definitions_of_the_features_are_refused() -> None:
    features, _ = make_parcels()
    with pytest.raises(RefusedError) as refused:
        score(fit_classifier(), features, digest="e" * 64)
    assert (refused.value.expected, refused.value.found) == (f"feature set {DIGEST}", f"feature set {'e' * 64}")


@pytest.mark.parametrize(
    "columns",
    [
        ["parcel", "distance", "weight"],
        ["parcel", "weight"],
        ["parcel", "weight", "distance", "colour"],
    ],
)
def test_other_columns_or_another_order_are_refused(columns: list[str]) -> None:
    features, _ = make_parcels()
    with pytest.raises(RefusedError, match="trained on other columns"):
        score(fit_classifier(), features.assign(colour=1.0)[columns])


def test_a_model_of_other_classes_is_refused() -> None:
    features, labels = make_parcels()
    estimator = LogisticRegression().fit(features[["weight", "distance"]], labels + 1)
    with pytest.raises(RefusedError, match="the classes 0 and 1"):
        score(estimator, features)
