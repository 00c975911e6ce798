"""The flight job's model takes what a night may bring, and is the same model when it is trained again."""

from __future__ import annotations

import io
from collections.abc import Iterator

import joblib
import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.flight_delays import FEATURES
from pipeline.jobs.flight_delays.job import JOB
from pipeline.jobs.flight_delays.model import BENT, NUMBERS, build_model

ROWS = 3_000


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads gain nothing on so few rows, and lose much where other tests run beside these."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    random = np.random.default_rng(7)
    columns: dict[str, object] = {}
    for feature in FEATURES.columns:
        if feature.kind == "category":
            columns[feature.name] = pd.Series(random.choice(["AA", "B6", "UA"], ROWS), dtype="str")
        else:
            columns[feature.name] = np.where(random.random(ROWS) < 0.1, np.nan, random.random(ROWS))
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def labels(features: pd.DataFrame) -> pd.Series:
    """Late in the evening, and with one carrier always."""
    return ((features["departure_minutes"] > 0.8) | (features["carrier"] == "B6")).astype("int64")


def dump(features: pd.DataFrame, labels: pd.Series, seed: int) -> bytes:
    content = io.BytesIO()
    joblib.dump(build_model(seed).fit(features, labels), content)
    return content.getvalue()


def test_training_again_with_the_same_seed_gives_the_same_bytes(features: pd.DataFrame, labels: pd.Series) -> None:
    first = dump(features, labels, JOB.training.seed)
    assert dump(features, labels, JOB.training.seed) == first
    assert dump(features, labels, JOB.training.seed + 1) != first


def test_it_learns_from_numbers_and_categories(features: pd.DataFrame, labels: pd.Series) -> None:
    scores = build_model(0).fit(features, labels).predict_proba(features)[:, 1]
    assert scores[labels == 1].mean() > scores[labels == 0].mean() + 0.4


def test_the_linear_model_counts_twice(features: pd.DataFrame, labels: pd.Series) -> None:
    model = build_model(0).fit(features, labels)
    linear, trees = (member.predict_proba(features) for member in model.estimators_)
    assert model.predict_proba(features) == pytest.approx((2 * linear + trees) / 3)


def test_the_linear_model_gets_the_pressure_of_the_whole_day_and_no_other_weather_of_the_evening() -> None:
    straight = {name for name in NUMBERS if name not in BENT}
    assert {name for name in straight if "pressure" in name} == {
        f"{part}_pressure_mean_by_origin_1d" for part in ("morning", "afternoon", "evening")
    }
    assert not any(name.startswith("evening_") and "pressure" not in name for name in straight)


def test_a_category_it_never_saw_counts_as_missing(features: pd.DataFrame, labels: pd.Series) -> None:
    model = build_model(0).fit(features, labels)
    unseen = features.assign(carrier=pd.Series(["ZZ"] * ROWS, dtype="str"))
    missing = features.assign(carrier=pd.Series([None] * ROWS, dtype="str"))
    scores = model.predict_proba(unseen)
    assert np.isfinite(scores).all()
    assert (scores == model.predict_proba(missing)).all()


def test_a_row_without_anything_still_gets_a_probability(features: pd.DataFrame, labels: pd.Series) -> None:
    model = build_model(0).fit(features, labels)
    empty = features.head(1).copy()
    for feature in FEATURES.columns:
        empty[feature.name] = pd.Series([None], dtype="str" if feature.kind == "category" else "float64")
    score = model.predict_proba(empty)[0, 1]
    assert 0 < score < 1
