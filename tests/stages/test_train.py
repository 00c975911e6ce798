from __future__ import annotations

import io
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.digests import digest_bytes
from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Calibration, Job, Search
from pipeline.stages.evaluate import compute_metrics
from pipeline.stages.train import fit_model
from tests.stages.parcel_job import PARCELS, PRICES, make_parcels


class SeededModel(LogisticRegression):  # type: ignore[misc]
    """Remembers its seed."""


def build_model(seed: int) -> Any:
    return SeededModel(random_state=seed)


def fit(features: pd.DataFrame, labels: pd.Series, job: Job = PARCELS) -> Any:
    return fit_model(build_model, features, labels, spread(features), job=job, partition="2024-05-05").estimator


def spread(features: pd.DataFrame, days: int = 10) -> pd.Series:
    """Partitions of the rows: ten days, one after the other."""
    return pd.Series([f"2024-05-{1 + row * days // len(features):02}" for row in range(len(features))])


def test_the_model_is_built_with_the_seed_and_fitted_to_the_feature_columns_alone() -> None:
    features, labels = make_parcels()
    estimator = fit(features, labels)
    assert estimator.random_state == PARCELS.training.seed == 11
    assert list(estimator.feature_names_in_) == ["weight", "distance"]


def test_the_model_has_the_same_bytes_on_however_many_threads() -> None:
    features, labels = make_parcels(2000)

    def build_trees(seed: int) -> Any:
        return HistGradientBoostingClassifier(max_iter=5, random_state=seed)

    digests = set()
    for threads in (1, 2):
        with threadpool_limits(limits=threads):
            fitted = fit_model(build_trees, features, labels, spread(features), job=PARCELS)
        content = io.BytesIO()
        joblib.dump(fitted.estimator, content)
        digests.add(digest_bytes(content.getvalue()))
    assert len(digests) == 1


def test_the_frame_that_came_in_is_left_as_it_was() -> None:
    features, labels = make_parcels()
    before = features.copy()
    fit(features, labels)
    pd.testing.assert_frame_equal(features, before)


@pytest.mark.parametrize("dtype", ["int8", "float64", "bool", "boolean", "Int64"])
def test_labels_of_any_dtype_become_the_classes_0_and_1(dtype: Any) -> None:
    features, labels = make_parcels()
    classes = fit(features, labels.astype(dtype)).classes_
    assert (classes.dtype, list(classes)) == ("int64", [0, 1])


def test_a_regression_is_fitted_to_numbers() -> None:
    features, _ = make_parcels()
    labels = features["weight"] * 2.0 + 1.0
    estimator = fit_model(lambda seed: LinearRegression(), features, labels, spread(features), job=PRICES).estimator
    assert estimator.intercept_ == pytest.approx(1.0)


def test_too_few_rows_are_refused() -> None:
    features, labels = make_parcels(49)
    with pytest.raises(BadInputError, match="too few rows") as refused:
        fit(features, labels)
    assert (refused.value.expected, refused.value.found) == ("50 or more", "49")
    assert (refused.value.job, refused.value.partition) == ("parcels", "2024-05-05")


def test_one_class_is_refused() -> None:
    features, labels = make_parcels()
    with pytest.raises(BadInputError, match="one class only"):
        fit(features, labels * 0)


def test_labels_other_than_0_and_1_are_refused_for_a_binary_task() -> None:
    features, labels = make_parcels()
    with pytest.raises(BadInputError, match="no outcomes"):
        fit(features, labels + 1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_label_that_is_not_known_is_refused(value: float) -> None:
    features, labels = make_parcels()
    labels = labels.astype("float64")
    labels.iloc[3] = value
    with pytest.raises(BadInputError, match="1 of 200 missing or infinite"):
        fit(features, labels)


def test_labels_of_other_rows_are_refused() -> None:
    features, labels = make_parcels()
    with pytest.raises(BadInputError, match="do not belong"):
        fit(features, labels.iloc[:-1])


def test_infinity_in_a_feature_is_refused() -> None:
    features, labels = make_parcels()
    features.loc[[1, 2], "distance"] = [np.inf, -np.inf]
    with pytest.raises(BadInputError, match="2 of 200 rows in distance"):
        fit(features, labels)


def test_the_search_s_best_parameters_are_those_of_the_model() -> None:
    features, labels = make_parcels(500)
    search = Search(space={"C": (1e-6, 1.0)}, folds=2, fold_size=3)
    job = PARCELS.model_copy(update={"training": PARCELS.training.model_copy(update={"search": search})})
    fitted = fit_model(build_model, features, labels, spread(features), job=job)
    assert (fitted.parameters, fitted.estimator.C) == ({"C": 1.0}, 1.0)
    assert [candidate.parameters["C"] for candidate in fitted.tried] == [1.0, 1e-6]


class Exaggerating(LogisticRegression):  # type: ignore[misc]
    """Ranks as it should, and is far too sure."""

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """Everything is likely."""
        probabilities = super().predict_proba(features)
        return np.asarray(np.clip(probabilities + np.array([-0.4, 0.4]), 0.0, 1.0))


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_a_calibrated_model_keeps_its_promises_on_rows_that_it_has_not_seen(method: Any) -> None:
    features, labels = make_parcels(4000)
    calibration = Calibration(method=method, partitions=3)
    job = PARCELS.model_copy(update={"training": PARCELS.training.model_copy(update={"calibration": calibration})})
    seen, unseen = features[:3000], features[3000:]
    errors = {}
    for name, declared in (("plain", PARCELS), ("calibrated", job)):
        fitted = fit_model(lambda seed: Exaggerating(), seen, labels[:3000], spread(seen), job=declared)
        scores = pd.Series(fitted.estimator.predict_proba(unseen.drop(columns="parcel"))[:, 1])
        errors[name] = compute_metrics("binary", labels[3000:], scores)["calibration_error"]
        assert list(fitted.estimator.classes_) == [0, 1]
        assert list(fitted.estimator.feature_names_in_) == ["weight", "distance"]
    assert errors["plain"] > 0.2
    assert errors["calibrated"] < 0.08


def test_what_it_is_calibrated_on_the_model_has_not_seen() -> None:
    features, labels = make_parcels()
    days = spread(features)
    calibration = Calibration(method="sigmoid", partitions=3)
    job = PARCELS.model_copy(update={"training": PARCELS.training.model_copy(update={"calibration": calibration})})
    older = days < "2024-05-08"
    alone = fit_model(build_model, features[older], labels[older], days[older], job=PARCELS)
    fitted = fit_model(build_model, features, labels, days, job=job).estimator
    assert fitted.calibrated_classifiers_[0].estimator.coef_ == pytest.approx(alone.estimator.coef_)


def test_too_few_days_to_calibrate_on_are_an_error() -> None:
    features, labels = make_parcels()
    calibration = Calibration(method="sigmoid", partitions=10)
    job = PARCELS.model_copy(update={"training": PARCELS.training.model_copy(update={"calibration": calibration})})
    with pytest.raises(NotReadyError, match="too few partitions to calibrate on"):
        fit_model(build_model, features, labels, spread(features), job=job)
