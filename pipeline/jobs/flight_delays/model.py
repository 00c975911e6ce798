"""The flight job's model: a vote of a linear model and of boosted trees, each with the encoding that it needs.

Nights differ far more from each other than the flights of one night do, and tomorrow is seldom like a night that was
seen.  The linear model goes on where the trees stop, and counts twice; the trees see what depends on what.  Both are
kept simple, because a finer model learns the past nights by heart.
"""

from __future__ import annotations

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from features.flight_delays import FEATURES

NUMBERS = [feature.name for feature in FEATURES.columns if feature.kind == "number"]
CATEGORIES = [feature.name for feature in FEATURES.columns if feature.kind == "category"]
STEPS = ["scheduled_hour", "departure_weekday"]
"""Numbers of which the linear model gets every value as a category: lateness is no straight line along them."""
BENT = [name for name in NUMBERS if name.startswith("evening_") and "pressure" not in name]
"""Numbers that the linear model does not get: a straight line through the weather of one evening does harm.

Of the pressure it gets the morning's, the afternoon's and the evening's: their differences tell where the weather goes.
"""


def build_model(seed: int) -> VotingClassifier:
    """An unfitted classifier over a frame of the feature set's columns: numbers as float64, categories as str.

    Any value may be missing, and a category may be one that training never saw.
    """
    members = [("linear", build_linear_model()), ("trees", build_trees(seed))]
    return VotingClassifier(members, voting="soft", weights=[2, 1])


def build_linear_model() -> Pipeline:
    """Logistic regression on standardised numbers, missing ones replaced by their mean, and on one-hot categories."""
    numbers = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    straight = [name for name in NUMBERS if name not in BENT]
    categories = OneHotEncoder(handle_unknown="ignore", min_frequency=50)
    columns = ColumnTransformer([("numbers", numbers, straight), ("categories", categories, [*CATEGORIES, *STEPS])])
    return Pipeline([("columns", columns), ("model", LogisticRegression(C=0.005, tol=1e-3, max_iter=200))])


def build_trees(seed: int) -> Pipeline:
    """Boosted trees: few leaves, large ones, and a third of the columns at each split.

    Destinations are left to their late rates: there are too many of them to split on.
    """
    categories = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=250
    )
    few = [name for name in CATEGORIES if name != "dest"]
    columns = ColumnTransformer([("categories", categories, few), ("numbers", "passthrough", NUMBERS)])
    trees = HistGradientBoostingClassifier(
        categorical_features=list(range(len(few))),  # they come first
        learning_rate=0.04,
        max_iter=100,
        max_leaf_nodes=15,
        min_samples_leaf=500,
        l2_regularization=5.0,
        max_features=0.3,
        random_state=seed,
    )
    return Pipeline([("columns", columns), ("trees", trees)])
