"""Profiles: exact, the same however rows are ordered and sharded, and compared with the partitions before."""

from __future__ import annotations

import json
import math
import random
import statistics
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import Contract
from pipeline.digests import canonical_json
from pipeline.stages.column_profiles import MAX_CATEGORIES, MAX_CATEGORY_LENGTH, CategoryProfile, NumberProfile
from pipeline.stages.profile import Profile, merge_profiles, profile_frame, profile_table, profiled_columns

COLUMNS = ("amount", "count", "flag", "text", "at")


def make_frame(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS)
    dtypes = ("float64", "Int64", "boolean", "str", "datetime64[us, UTC]")
    return pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=dtype)
            for name, column, dtype in zip(COLUMNS, columns, dtypes, strict=True)
        }
    )


def numbers(values: Sequence[float], dtype: str = "float64") -> NumberProfile:
    column = profile_frame(pd.DataFrame({"x": pd.Series(values, dtype=dtype)}), ["x"]).columns["x"]
    assert isinstance(column, NumberProfile)
    return column


def texts(values: Sequence[str | None]) -> CategoryProfile:
    column = profile_frame(pd.DataFrame({"x": pd.Series(list(values), dtype="str")}), ["x"]).columns["x"]
    assert isinstance(column, CategoryProfile)
    return column


def text_of(profile: Profile) -> str:
    return canonical_json(profile.to_json())


rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=True)),
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.text(max_size=3)),
        st.none(),
    ),
    max_size=20,
)
finite = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@settings(deadline=None)
@given(rows, st.integers(1, 5), st.randoms(use_true_random=False))
def test_order_and_shards_do_not_matter(received: list[tuple[Any, ...]], shards: int, shuffle: random.Random) -> None:
    whole = profile_frame(make_frame(received), COLUMNS)
    shuffled = shuffle.sample(received, len(received))
    parts = [profile_frame(make_frame(shuffled[shard::shards]), COLUMNS) for shard in range(shards)]
    shuffle.shuffle(parts)
    assert merge_profiles(parts) == whole
    assert text_of(merge_profiles(parts)) == text_of(whole)


@settings(deadline=None)
@given(rows, rows, rows)
def test_merging_is_associative_and_commutative(
    one: list[tuple[Any, ...]], two: list[tuple[Any, ...]], three: list[tuple[Any, ...]]
) -> None:
    a, b, c = (profile_frame(make_frame(part), COLUMNS) for part in (one, two, three))
    left = merge_profiles([merge_profiles([a, b]), c])
    right = merge_profiles([a, merge_profiles([c, b])])
    assert text_of(left) == text_of(right)


@settings(deadline=None)
@given(rows)
def test_json_brings_a_profile_back(received: list[tuple[Any, ...]]) -> None:
    profile = profile_frame(make_frame(received), COLUMNS)
    assert Profile.from_json(json.loads(text_of(profile))) == profile


@settings(deadline=None)
@given(finite)
def test_sums_are_exact(values: list[float]) -> None:
    profile = numbers(values)
    assert profile.total == sum(map(Fraction, values))
    assert profile.squares == sum(Fraction(value) ** 2 for value in values)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40))
def test_sums_of_large_integers_are_exact(values: list[int]) -> None:
    profile = numbers(values, "int64")
    assert profile.total == sum(values)
    assert profile.squares == sum(value**2 for value in values)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_mean_and_deviation_are_those_of_the_statistics_module(values: list[float]) -> None:
    profile = numbers(values)
    assert profile.mean() == pytest.approx(statistics.fmean(values), abs=1e-9)
    assert profile.std() == pytest.approx(statistics.pstdev(values), rel=1e-9, abs=1e-150)


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=1, max_size=60), st.floats(0, 1))
def test_quantiles_are_within_a_128th(values: list[float], share: float) -> None:
    exact = sorted(values)[math.floor(share * (len(values) - 1))]
    found = numbers(values).quantile(share)
    assert abs(found - exact) <= abs(exact) / 128


def test_quantiles_of_small_whole_numbers_are_exact() -> None:
    values = [*range(-256, 257)]
    profile = numbers(values, "int64")
    assert [profile.quantile(position / 512) for position in range(513)] == values


def test_extremes_do_not_overflow() -> None:
    profile = numbers([1e308, -1e308, 1e308])
    assert profile.mean() == pytest.approx(1e308 / 3)
    assert profile.std() == pytest.approx(1e308 / 3 * math.sqrt(8))
    assert numbers([2e-200, 0.0]).std() == pytest.approx(1e-200)


def test_negative_zero_is_zero() -> None:
    assert text_of(Profile(2, {"x": numbers([0.0, -0.0])})) == text_of(Profile(2, {"x": numbers([-0.0, 0.0])}))


def test_missing_and_infinite_numbers_are_counted_apart() -> None:
    profile = numbers([1.0, math.nan, math.inf, -math.inf, 3.0])
    assert (profile.count, profile.nulls, profile.infinite) == (2, 1, 2)
    assert (profile.minimum, profile.maximum, profile.mean()) == (1.0, 3.0, 2.0)


def test_a_million_numbers_of_one_size_add_up_exactly() -> None:
    values = np.full(1_000_000, 0.1)
    assert numbers(values.tolist()).total == 1_000_000 * Fraction(0.1)
    assert numbers(values.tolist()).squares == 1_000_000 * Fraction(0.1) ** 2


def test_categories_are_counted() -> None:
    profile = texts(["a", "b", "a", None])
    assert (profile.nulls, profile.count, profile.counts) == (1, 3, {"a": 2, "b": 1})
    assert profile.share("a") == 2 / 3
    assert profile.share("z") == 0


@pytest.mark.parametrize("distinct", [MAX_CATEGORIES, MAX_CATEGORIES + 1])
def test_too_many_categories_overflow_however_they_are_sharded(distinct: int) -> None:
    values = [str(number) for number in range(distinct)]
    whole = texts(values)
    merged = texts(values[:600]).merge(texts(values[600:])).merge(texts(values[:5]))
    assert (whole.counts is None) == (merged.counts is None) == (distinct > MAX_CATEGORIES)
    assert merged.count == distinct + 5
    if distinct > MAX_CATEGORIES:
        assert math.isnan(whole.share("1"))


def test_long_texts_are_no_categories() -> None:
    assert texts(["x" * (MAX_CATEGORY_LENGTH + 1)]).counts is None
    assert texts(["x" * MAX_CATEGORY_LENGTH]).counts is not None


def test_nothing_has_no_statistics() -> None:
    profile = profile_frame(make_frame([]), COLUMNS)
    assert profile.rows == 0
    assert all(
        math.isnan(value)
        for value in (
            profile.mean("amount"),
            profile.std("amount"),
            profile.quantile("amount", 0.5),
            profile.share("text", "a"),
            profile.null_share("at"),
        )
    )


def test_asking_numbers_of_text_is_an_error() -> None:
    profile = profile_frame(make_frame([]), COLUMNS)
    with pytest.raises(TypeError, match="text is a category column"):
        profile.mean("text")
    with pytest.raises(TypeError, match="amount is a number column"):
        profile.share("amount", "a")


def test_different_columns_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different columns"):
        merge_profiles([Profile(0, {}), Profile(0, {"x": texts([])})])
    with pytest.raises(ValueError, match="do not merge"):
        merge_profiles([Profile(0, {"x": numbers([])}), Profile(0, {"x": texts([])})])
    with pytest.raises(ValueError, match="no profile"):
        merge_profiles([])


def test_a_key_of_one_column_is_not_profiled() -> None:
    contract = Contract(pandera.DataFrameSchema({"id": pandera.Column(str), "hour": pandera.Column(int)}))
    assert profiled_columns(contract, ("id",)) == ("hour",)
    assert profiled_columns(contract, ("id", "hour")) == ("id", "hour")


def night(amounts: Sequence[float | None], categories: Sequence[str | None]) -> Profile:
    frame = pd.DataFrame(
        {"amount": pd.Series(list(amounts), dtype="float64"), "kind": pd.Series(list(categories), dtype="str")}
    )
    return profile_frame(frame, ["amount", "kind"])


def row_of(table: pd.DataFrame) -> dict[str, float]:
    assert len(table) == 1
    assert set(table.dtypes.astype(str)) == {"float64"}
    return {str(name): float(table[name].iloc[0]) for name in table.columns}


def test_table_without_trailing_partitions_compares_nothing() -> None:
    row = row_of(profile_table(night([1, 2, None, 3], ["a", "a", "b", None]), []))
    assert row == {
        "rows": 4,
        "null_share.amount": 0.25,
        "mean.amount": 2,
        "q05.amount": 1,
        "q50.amount": 2,
        "q95.amount": 2,
        "null_share.kind": 0.25,
        "share.kind.a": pytest.approx(2 / 3),
        "share.kind.b": pytest.approx(1 / 3),
    }


def test_table_compares_with_the_trailing_partitions() -> None:
    trailing = [night([0, 2], ["a", "b"]), night([0, 2, 0, 2], ["a", "b", "a", "b"]), night([0, 2], ["a", "b"])]
    row = row_of(profile_table(night([4, 4, 4, 4], ["a", "a", "a", "c"]), trailing))
    assert row["rows_ratio"] == 2
    assert row["mean_shift.amount"] == 3  # mean 4 against 1, and trailing rows have a standard deviation of 1
    assert row["share_shift.kind"] == pytest.approx((0.25 + 0.5 + 0.25) / 2)
    assert (row["share.kind.b"], row["share.kind.c"]) == (0, 0.25)


def test_table_of_the_same_again_shifts_nothing() -> None:
    same = night([1, 1], ["a", "a"])
    row = row_of(profile_table(same, [same, same]))
    assert (row["rows_ratio"], row["mean_shift.amount"], row["share_shift.kind"]) == (1, 0, 0)


def test_a_constant_that_moved_shifts_without_bound() -> None:
    row = row_of(profile_table(night([2], ["a"]), [night([1], ["a"])]))
    assert row["mean_shift.amount"] == math.inf


def test_any_category_may_be_asked_for() -> None:
    crowd = [f"c{number:02}" for number in range(60)]
    row = row_of(profile_table(night([1] * 60, crowd), [], ["share.kind.c59", "share.kind.none", "share.other.x"]))
    assert row["share.kind.c59"] == pytest.approx(1 / 60)
    assert row["share.kind.none"] == 0
    assert "share.other.x" not in row
    assert sum(name.startswith("share.kind.") for name in row) == 52


def test_shift_of_too_many_categories_is_unknown() -> None:
    crowd = night([1] * 1001, [str(number) for number in range(1001)])
    row = row_of(profile_table(crowd, [night([1], ["a"])]))
    assert math.isnan(row["share_shift.kind"])


def test_profiles_of_another_contract_are_not_compared_with() -> None:
    other = Profile(9, {"amount": texts(["a"])})
    assert "rows_ratio" not in profile_table(night([1], ["a"]), [other])
