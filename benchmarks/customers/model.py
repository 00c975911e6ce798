"""The customers job's model: a hundred boosted trees of 31 leaves."""

from __future__ import annotations

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from benchmarks.customers.feature_set import FEATURES

CATEGORIES = [feature.name for feature in FEATURES.columns if feature.kind == "category"]
NUMBERS = [feature.name for feature in FEATURES.columns if feature.kind == "number"]


def build_model(seed: int) -> Pipeline:
    """An unfitted classifier over a frame of the feature set's columns."""
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, dtype=np.float64
    )
    columns = ColumnTransformer([("categories", encode, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
    trees = HistGradientBoostingClassifier(
        categorical_features=list(range(len(CATEGORIES))),  # they come first
        max_iter=100,
        max_leaf_nodes=31,
        early_stopping=False,
        random_state=seed,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
