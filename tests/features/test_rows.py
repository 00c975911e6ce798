"""Row features: computed from what a frame has, in the order in which they build on each other."""

from __future__ import annotations

import pandas as pd
import pytest

from features.declarations import FeatureSet
from features.rows import compute_columns
from tests.features.frames import FEATURES, make_parcels


def test_columns_come_in_the_order_asked_for_and_keep_the_index() -> None:
    rows = make_parcels()
    found = compute_columns(rows, FEATURES, ["is_heavy", "parcel"])
    assert list(found.columns) == ["is_heavy", "parcel"]
    assert list(found.index) == [7, 7, 3]
    assert found["is_heavy"].tolist() == [1.0, 0.0, 0.0]


def test_a_row_feature_may_build_on_another() -> None:
    assert compute_columns(make_parcels(), FEATURES, ["grams_and_one"])["grams_and_one"].iloc[0] == 12501.0


def test_a_column_of_the_frame_wins_over_a_row_feature_of_its_name() -> None:
    rows = make_parcels().assign(is_heavy=5.0)
    assert compute_columns(rows, FEATURES, ["is_heavy"])["is_heavy"].tolist() == [5.0] * 3


def test_the_frame_is_left_as_it_was() -> None:
    rows = make_parcels()
    compute_columns(rows, FEATURES, ["grams_and_one"])
    pd.testing.assert_frame_equal(rows, make_parcels())


def test_a_column_that_nothing_makes_is_named() -> None:
    with pytest.raises(KeyError, match="colour"):
        compute_columns(make_parcels(), FEATURES, ["colour"])


def test_a_row_feature_without_its_columns_says_which() -> None:
    with pytest.raises(KeyError, match=r"is_heavy needs \['weight'\]"):
        compute_columns(make_parcels().drop(columns="weight"), FEATURES, ["is_heavy"])


def total_weight(weight: pd.Series) -> float:
    return float(weight.sum())


def first_weight(weight: pd.Series) -> pd.Series:
    return weight.iloc[:1]


@pytest.mark.parametrize("function", [total_weight, first_weight])
def test_a_row_feature_must_give_one_value_a_row(function: object) -> None:
    wrong = FeatureSet("wrong", 1, row_functions=(function,))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one value a row"):
        compute_columns(make_parcels(), wrong, [function.__name__])  # type: ignore[attr-defined]
