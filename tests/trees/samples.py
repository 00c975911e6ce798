"""Fitted ensembles, and frames to score, of all kinds that tables have to be right for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

NUMBERS = ["weight", "distance"]
CATEGORIES = ["town", "kind"]


def make_matrix(rows: int, columns: int, seed: int, categories: int = 0, missing: float = 0.1) -> np.ndarray:
    """Numbers, the first ``categories`` columns of which are whole and few; some are missing."""
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, columns)).round(2)
    matrix[:, :categories] = random.integers(0, 12, (rows, categories))
    matrix[random.random(matrix.shape) < missing] = np.nan
    return matrix


def fit_classifier(matrix: Any, *, classes: int = 2, **parameters: Any) -> HistGradientBoostingClassifier:
    """An ensemble that tells ``classes`` classes apart, of an array or a frame of numbers."""
    target = _make_target(np.asarray(matrix))
    edges = np.quantile(target, np.linspace(0, 1, classes + 1)[1:-1])
    chosen = {"max_iter": 8, "min_samples_leaf": 3, "early_stopping": False, "random_state": 0, **parameters}
    return HistGradientBoostingClassifier(**chosen).fit(matrix, np.searchsorted(edges, target))


def fit_regressor(matrix: np.ndarray, **parameters: Any) -> HistGradientBoostingRegressor:
    """An ensemble that tells a positive number."""
    chosen = {"max_iter": 8, "min_samples_leaf": 3, "early_stopping": False, "random_state": 0, **parameters}
    return HistGradientBoostingRegressor(**chosen).fit(matrix, np.exp(_make_target(matrix) / 4))


def make_frame(rows: int, seed: int = 1, *, unseen: bool = False) -> pd.DataFrame:
    """Numbers and text as a night has them; some are missing, and some text is new if ``unseen``."""
    random = np.random.default_rng(seed)
    towns = [f"town {number}" for number in range(40 if unseen else 30)]
    frame = pd.DataFrame(
        {
            "weight": random.normal(size=rows),
            "distance": random.gamma(2.0, size=rows),
            "town": pd.array(random.choice(towns, rows), dtype="str"),
            "kind": pd.array(random.choice(["letter", "parcel", "pallet"], rows), dtype="str"),
        }
    )
    return frame.mask(random.random(frame.shape) < 0.05)


def label_frame(frame: pd.DataFrame, seed: int = 2) -> np.ndarray:
    """Whether a parcel came late."""
    random = np.random.default_rng(seed)
    town = pd.factorize(frame["town"])[0] % 5
    odds = frame["weight"].fillna(0) + np.sin(3 * frame["distance"].fillna(1)) + 0.3 * town - 0.6
    return np.asarray(odds + random.normal(size=len(frame)) > 0).astype("int64")


def build_pipeline(*, trees: int = 20, seed: int = 0) -> Pipeline:
    """Text to numbers, then trees that split on them as categories."""
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=25
    )
    columns = ColumnTransformer([("categories", encode, CATEGORIES), ("numbers", "passthrough", NUMBERS)])
    ensemble = HistGradientBoostingClassifier(
        categorical_features=[0, 1], max_iter=trees, early_stopping=False, random_state=seed
    )
    return Pipeline([("columns", columns), ("trees", ensemble)])


def fit_pipeline(rows: int = 600, **parts: int) -> Pipeline:
    """The pipeline, fitted to frames without unseen text."""
    frame = make_frame(rows)
    return build_pipeline(**parts).fit(frame, label_frame(frame))


def _make_target(matrix: np.ndarray) -> np.ndarray:
    """A number that depends on every column, and on what is missing."""
    weights = 1.0 / np.arange(1, matrix.shape[1] + 1)
    bent = np.where(np.isnan(matrix), 0.7, np.sin(2 * matrix) + 0.2 * matrix)
    return np.asarray(bent @ weights)
