"""Keys matched with groups: equal values match whatever their dtypes, and different kinds are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from features.matching import match_keys

MOMENTS = [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)]
LARGE = [2**53, 2**53 + 1]
SAME_KIND = [
    ("int64", "Int64", LARGE),
    ("Int64", "int64", LARGE),
    ("uint8", "int64", [1, 2]),
    ("int32", "Int64", [1, 2]),
    ("uint64", "Int64", LARGE),
    ("object", "int64", LARGE),
    ("float64", "int64", [1, 2]),
    ("float64", "Int64", [1, 2]),
    ("object", "str", ["a", "b"]),
    ("str", "object", ["a", "b"]),
    ("string", "str", ["a", "b"]),
    ("bool", "boolean", [False, True]),
    ("datetime64[us, UTC]", "datetime64[ns, UTC]", MOMENTS),
]
KINDS: dict[str, list[Any]] = {
    "int64": [1, 2],
    "str": ["1", "2"],
    "bool": [False, True],
    "datetime64[us, UTC]": MOMENTS,
    "datetime64[us]": [moment.replace(tzinfo=None) for moment in MOMENTS],
}


def frame(dtype: str, values: list[Any], columns: int = 1) -> pd.DataFrame:
    return pd.DataFrame({f"key_{number}": pd.Series(values, dtype=dtype) for number in range(columns)})


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize(("key", "group", "values"), SAME_KIND)
def test_equal_values_match_whatever_their_dtype(key: str, group: str, values: list[Any], columns: int) -> None:
    groups = frame(group, values, columns)
    assert match_keys(frame(key, values[::-1], columns), groups, "x").tolist() == [1, 0]


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize(("dtype", "values"), [("Int64", LARGE), ("object", ["a", "b"]), ("boolean", [False, True])])
def test_a_missing_key_matches_nothing_and_changes_nothing(dtype: str, values: list[Any], columns: int) -> None:
    keys = frame(dtype, [values[1], None, values[0]], columns)
    assert match_keys(keys, frame(dtype, [None, *values], columns), "x").tolist() == [2, -1, 1]


@pytest.mark.parametrize(("key", "group"), [(key, group) for key in KINDS for group in KINDS if key != group])
def test_keys_of_different_kinds_are_refused_by_their_dtypes(key: str, group: str) -> None:
    with pytest.raises(ValueError, match="trips matches key_0") as refusal:
        match_keys(frame(key, KINDS[key]), frame(group, KINDS[group]), "trips")
    assert f"({key})" in str(refusal.value)
    assert f"({group})" in str(refusal.value)


def test_a_side_without_rows_or_values_is_fine() -> None:
    numbers, texts = frame("int64", [1]), frame("str", ["1"])
    assert match_keys(numbers, texts.iloc[:0], "x").tolist() == [-1]
    assert match_keys(numbers.iloc[:0], texts, "x").tolist() == []
    assert match_keys(frame("object", [None]), texts, "x").tolist() == [-1]
