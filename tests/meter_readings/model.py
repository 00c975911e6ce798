"""Models of the meter job: one that predicts, and ones that are of no use, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder


def build_model(seed: int) -> Pipeline:
    """A straight line over numbers and regions."""
    encode = ColumnTransformer(
        [("region", OneHotEncoder(handle_unknown="ignore"), ["region"])], remainder=SimpleImputer()
    )
    return Pipeline([("columns", encode), ("line", Ridge(random_state=seed))])


def build_guess(seed: int) -> DummyRegressor:
    """Always the mean: worse than any line."""
    del seed
    return DummyRegressor()


class Uneven(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A straight line that says six kilowatt-hours too many of the north."""

    def fit(self, features: pd.DataFrame, target: np.ndarray) -> Uneven:
        """Learn what the line learns."""
        self.line_ = build_model(0).fit(features, target)
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Better than the mean of all, but for the north."""
        return np.asarray(self.line_.predict(features) + 6.0 * (features["region"] == "north").to_numpy())


def build_uneven(seed: int) -> Uneven:
    """Better than a guess, and worse in one region."""
    del seed
    return Uneven()


class Wild(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predicts what no meter can count."""

    def fit(self, features: object, target: np.ndarray) -> Wild:
        """Learn nothing."""
        del features, target
        self.fitted_ = True
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """A million kilowatt-hours each."""
        return np.full(len(features), 1e6)


def build_wild(seed: int) -> Wild:
    """Out of the job's range everywhere."""
    del seed
    return Wild()


def build_trees(seed: int) -> Pipeline:
    """Boosted trees, which split on regions as categories."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("region", encode, ["region"])], remainder="passthrough")
    trees = HistGradientBoostingRegressor(
        categorical_features=[0], max_iter=30, min_samples_leaf=5, early_stopping=False, random_state=seed
    )
    return Pipeline([("columns", columns), ("trees", trees)])
