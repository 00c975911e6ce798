"""Bins are learnt once, hold nobody's rare values, and what is counted over them adds up exactly."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from pipeline.stages.monitor.bins import (
    MOST_BINS,
    MOST_CATEGORIES,
    CategoryBins,
    Counts,
    NumberBins,
    count_frame,
    describe_counts,
    learn_bins,
    list_numbers,
    merge_counts,
    read_bins,
    read_counts,
)
from pipeline.stages.profile import profile_frame

REFERENCE = pd.DataFrame(
    {
        "minutes": np.arange(400.0),
        "hour": np.tile([6.0, 7.0, 9.0, np.nan], 100),
        "late": np.tile([True, False], 200),
        "origin": pd.Series(["JFK"] * 200 + ["EWR"] * 190 + ["Ann's own field"] * 5 + [None] * 5, dtype="str"),
    }
)
BINS = learn_bins(REFERENCE)

ROWS = st.lists(
    st.tuples(
        st.one_of(st.floats(allow_infinity=False, width=32), st.just(float("nan"))),
        st.sampled_from([6.0, 7.0, 8.0, float("nan")]),
        st.booleans(),
        st.sampled_from(["JFK", "EWR", "LGA", None]),
    ),
    max_size=40,
)


def make_frame(rows: list[tuple[float, float, bool, str | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(REFERENCE.columns))
    return frame.astype({"minutes": "float64", "hour": "float64", "late": "bool", "origin": "str"})


def count_one(values: pd.Series, reference: pd.Series) -> dict[str, int]:
    bins = learn_bins(pd.DataFrame({"feature": reference}))
    counted = count_frame(bins, pd.DataFrame({"feature": values}))
    return dict(zip(bins["feature"].names, counted.features["feature"], strict=True))


def test_numbers_have_twenty_bins_of_as_many_rows_each() -> None:
    counted = count_frame(BINS, REFERENCE).features["minutes"]
    assert len(counted) == MOST_BINS + 1
    assert all(19 <= rows <= 21 for rows in counted[:-1])


def test_few_distinct_numbers_have_a_bin_each() -> None:
    found = count_one(pd.Series([6.0, 9.0, 9.0, np.nan]), REFERENCE["hour"])
    assert found == {"6": 1, "7": 0, "9": 2, "missing": 1}


def test_booleans_have_two_bins() -> None:
    assert count_one(pd.Series([True, True, False]), REFERENCE["late"]) == {"0": 1, "1": 2, "missing": 0}


def test_what_is_beyond_the_reference_counts_in_its_end_bins() -> None:
    counted = count_frame(BINS, REFERENCE.assign(minutes=[-1e9] * 100 + [1e9] * 300)).features["minutes"]
    assert (counted[0], counted[-2]) == (100, 300)


def test_a_number_that_most_rows_have_leaves_no_empty_bin() -> None:
    values = pd.Series([0.0] * 300 + list(range(100)), dtype="float64")
    assert min(list(count_one(values, values).values())[:-1]) > 0


def test_a_smallest_number_that_nearly_all_rows_have_has_a_bin_of_its_own() -> None:
    """Such as the rain of an hour: every quantile is that number."""
    values = pd.Series([0.0] * 2000 + list(range(1, 41)) + [np.nan], dtype="float64")
    assert count_one(values, values) == {"below 1": 2000, "1 or more": 40, "missing": 1}


def test_categories_that_the_reference_does_not_have_are_unknown() -> None:
    found = count_one(pd.Series(["JFK", "LGA", None], dtype="str"), REFERENCE["origin"])
    assert found == {"JFK": 1, "EWR": 0, "other": 0, "unknown": 1, "missing": 1}


def test_a_category_of_few_rows_is_nowhere_written_down() -> None:
    assert "Ann" not in json.dumps(BINS["origin"].to_json())
    assert count_one(REFERENCE["origin"], REFERENCE["origin"])["unknown"] == 5


def test_categories_beyond_the_fiftieth_are_taken_together() -> None:
    values = pd.Series([f"c{number:02}" for number in range(60) for _ in range(100 - number)], dtype="str")
    found = count_one(values, values)
    assert len(found) == MOST_CATEGORIES + 3
    assert found["other"] == sum(100 - number for number in range(50, 60))
    assert found["unknown"] == 0


def test_a_feature_that_was_always_missing_can_be_counted() -> None:
    assert count_one(pd.Series([1.0, np.nan]), pd.Series([np.nan, np.nan])) == {"any": 1, "missing": 1}
    empty = pd.Series([None, None], dtype="str")
    assert count_one(pd.Series(["x"], dtype="str"), empty) == {"other": 0, "unknown": 1, "missing": 0}


@given(rows=ROWS, places=st.lists(st.integers(0, 3), min_size=40, max_size=40), seed=st.integers(0, 99))
def test_the_counts_of_shards_add_up_to_those_of_the_whole(
    rows: list[tuple[float, float, bool, str | None]], places: list[int], seed: int
) -> None:
    frame = make_frame(rows)
    shards = [frame[np.array(places[: len(frame)], dtype=int) == shard] for shard in range(4)]
    order = np.random.default_rng(seed).permutation(4)
    merged = merge_counts(count_frame(BINS, shards[shard]) for shard in order)
    assert merged == count_frame(BINS, frame)
    assert all(sum(counts) == len(frame) for counts in merged.features.values())


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(ValueError, match="no counts"):
        merge_counts([])


def test_a_profile_holds_its_bins_and_counts() -> None:
    counted = count_frame(BINS, REFERENCE)
    statistics = profile_frame(REFERENCE, list_numbers(BINS))
    profile = json.loads(json.dumps(describe_counts(BINS, counted, statistics), allow_nan=False))
    assert read_bins(profile) == BINS
    assert read_counts(profile) == counted
    assert profile["features"]["hour"] | {"cuts": [], "bins": [], "counts": []} == {
        "kind": "number",
        "cuts": [],
        "bins": [],
        "counts": [],
        "nulls": 100,
        "unknown": 0,
        "mean": 22 / 3,
        "q05": 6.0,
        "q50": 7.0,
        "q95": 9.0,
    }
    assert (profile["features"]["origin"]["nulls"], profile["features"]["origin"]["unknown"]) == (5, 5)


def test_numbers_that_are_all_missing_have_no_statistics() -> None:
    frame = REFERENCE.assign(minutes=np.nan)
    profile = describe_counts(BINS, count_frame(BINS, frame), profile_frame(frame, list_numbers(BINS)))
    assert profile["features"]["minutes"]["mean"] is None


def test_bins_of_both_kinds_are_told_apart() -> None:
    assert isinstance(BINS["late"], NumberBins)
    assert isinstance(BINS["origin"], CategoryBins)
    assert read_counts({"rows": 0, "features": {}}) == Counts(0, {})
