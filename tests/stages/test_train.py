from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stages.train import fit_model
from tests.stages.parcel_job import PARCELS, PRICES, make_parcels


class SeededModel(LogisticRegression):  # type: ignore[misc]
    """Remembers its seed."""


def build_model(seed: int) -> Any:
    return SeededModel(random_state=seed)


def fit(features: pd.DataFrame, labels: pd.Series, job: Job = PARCELS) -> Any:
    return fit_model(build_model, features, labels, 11, job=job, partition="2024-05-05")


def test_the_model_is_built_with_the_seed_and_fitted_to_the_feature_columns_alone() -> None:
    features, labels = make_parcels()
    estimator = fit(features, labels)
    assert estimator.random_state == 11
    assert list(estimator.feature_names_in_) == ["weight", "distance"]


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
    estimator = fit_model(lambda seed: LinearRegression(), features, labels, 0, job=PRICES)
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
