from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from features.declarations import Kind
from features.flight_delays import FEATURES
from pipeline.jobs.flight_delays import model as flights
from pipeline.predicting import predict_outcomes
from pipeline.stages.golden import UNSEEN, choose_golden_rows

KINDS: dict[str, Kind] = {"weight": "number", "town": "category", "distance": "number"}


def make_matrix(rows: int = 500) -> pd.DataFrame:
    """Parcels whose weight is their place."""
    random = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "weight": np.arange(rows, dtype="float64"),
            "town": pd.Series(random.choice(["Bonn", "Trier"], rows), dtype="str"),
            "distance": random.normal(size=rows),
        }
    )


def accept(rows: pd.DataFrame) -> np.ndarray:
    return np.zeros(len(rows))


def test_real_rows_come_from_the_whole_training() -> None:
    golden = choose_golden_rows(accept, make_matrix(), KINDS)
    real = golden[golden["weight"].notna() & (golden["town"] != UNSEEN)].iloc[:32]
    assert (real["weight"].iloc[0], real["weight"].iloc[-1]) == (0.0, 499.0)
    assert real["weight"].diff().dropna().between(15, 17).all()


def test_every_column_is_missing_once_and_every_category_unseen_once() -> None:
    matrix = make_matrix()
    golden = choose_golden_rows(accept, matrix, KINDS)
    assert list(golden.isna().sum()) == [1, 1, 1]
    assert int((golden["town"] == UNSEEN).sum()) == 1
    assert dict(golden.dtypes) == dict(matrix.dtypes)
    assert not matrix.isna().any().any()


def test_there_are_never_more_than_64() -> None:
    wide = pd.DataFrame({f"c{number}": pd.Series(["x"] * 900, dtype="str") for number in range(90)})
    golden = choose_golden_rows(accept, wide, dict.fromkeys(wide.columns, "category"))
    assert len(golden) == 64
    assert golden.isna().any().all()
    assert (golden == UNSEEN).any().all()


def test_few_rows_are_taken_whole() -> None:
    assert len(choose_golden_rows(accept, make_matrix(1), {"weight": "number"})) == 2


@pytest.mark.parametrize(("refused", "left"), [("missing", 33), ("unseen", 35)])
def test_what_the_estimator_does_not_take_is_left_out(refused: str, left: int) -> None:
    def predict(rows: pd.DataFrame) -> None:
        if rows.isna().any().any() if refused == "missing" else (rows["town"] == UNSEEN).any():
            raise ValueError(refused)

    assert len(choose_golden_rows(predict, make_matrix(), KINDS)) == left


def test_the_same_rows_are_chosen_every_time() -> None:
    first, second = (choose_golden_rows(accept, make_matrix(), KINDS) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_the_flight_model_takes_missing_values_and_unseen_categories() -> None:
    random = np.random.default_rng(1)
    matrix = pd.DataFrame(
        {
            name: pd.Series(random.choice(["a", "b"], 600), dtype="str")
            if name in flights.CATEGORIES
            else random.normal(size=600)
            for name in [feature.name for feature in FEATURES.columns]
        }
    )
    estimator = flights.build_model(1).fit(matrix, random.integers(0, 2, 600))
    kinds = {feature.name: feature.kind for feature in FEATURES.columns}
    golden = choose_golden_rows(partial(predict_outcomes, estimator, task="binary"), matrix, kinds)
    assert golden.isna().any().all()
    assert (golden[flights.CATEGORIES] == UNSEEN).any().all()
