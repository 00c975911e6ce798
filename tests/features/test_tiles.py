"""Tiles: exact integers that add up to the same in any order."""

from __future__ import annotations

from itertools import permutations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.declarations import Aggregate
from features.tiles import (
    add_up_cuts,
    cut_rows,
    make_tile,
    merge_tiles,
    roll_alike,
    sum_alike,
    sum_windows,
    take_windows,
)
from tests.features.frames import ALL, BY_TOWN, BY_TOWN_AND_KIND, FEATURES, ROWS, make_parcels


def rows_of(tile: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in tile.to_dict("records")]


def make_rows(*weights: float, town: str = "Ulm") -> pd.DataFrame:
    return pd.DataFrame({"town": pd.array([town] * len(weights), dtype="str"), "weight": list(weights)})


def test_a_tile_counts_and_adds_the_values_that_are_there() -> None:
    """A missing value counts for nothing, and a missing key forms no group."""
    tile = make_tile(make_parcels(), FEATURES, BY_TOWN)
    assert rows_of(tile) == [{"town": "Ulm", "count": 1, "sum": 1250}]
    assert tile.dtypes[["count", "sum"]].astype("str").tolist() == ["int64", "int64"]


def test_a_tile_without_a_value_counts_rows() -> None:
    tile = make_tile(make_parcels(), FEATURES, ROWS)
    assert rows_of(tile) == [{"town": "Bonn", "count": 1, "sum": 0}, {"town": "Ulm", "count": 1, "sum": 0}]


def test_a_tile_by_two_keys_may_add_a_row_feature() -> None:
    tile = make_tile(make_parcels(), FEATURES, BY_TOWN_AND_KIND)
    assert rows_of(tile) == [
        {"town": "Bonn", "kind": "tube", "count": 1, "sum": 0},
        {"town": "Ulm", "kind": "box", "count": 1, "sum": 1},
    ]


def test_a_tile_without_keys_is_one_group() -> None:
    assert rows_of(make_tile(make_parcels(), FEATURES, ALL)) == [{"count": 2, "sum": 1475}]


def test_a_tile_of_no_rows() -> None:
    assert rows_of(make_tile(make_parcels().iloc[:0], FEATURES, BY_TOWN)) == []
    assert rows_of(make_tile(make_parcels().iloc[:0], FEATURES, ALL)) == [{"count": 0, "sum": 0}]


@pytest.mark.parametrize("weight", [float("inf"), float("-inf"), 1e15])
def test_a_value_that_cannot_be_kept_exactly_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"parcels\.weight_by_town"):
        make_tile(make_rows(weight), FEATURES, BY_TOWN)


NEAR_THE_LIMIT = [float(2**53 - 1)] * 512
"""Values that are exact each, and whose sum is nearly 2**62; one more and it might be more."""
TONS = Aggregate("parcels", by=("town",), value="weight")
ALL_TONS = Aggregate("parcels", by=(), value="weight")


@pytest.mark.parametrize("aggregate", [TONS, ALL_TONS], ids=["by town", "all"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_an_int64_might_not_hold_is_refused(aggregate: Aggregate, sign: int) -> None:
    values = [sign * value for value in NEAR_THE_LIMIT]
    too_many = make_rows(*values, values[0])
    with pytest.raises(ValueError, match=rf"{aggregate.name}: a sum has more digits"):
        make_tile(too_many, FEATURES, aggregate)
    tile = make_tile(make_rows(*values), FEATURES, aggregate)
    with pytest.raises(ValueError, match=rf"{aggregate.name}: a sum has more digits"):
        merge_tiles([tile, tile], aggregate)
    with pytest.raises(ValueError, match=rf"{aggregate.name}: a sum has more digits"):
        sum_windows([tile, tile], aggregate, [1, 2])


def test_large_sums_of_several_groups_stay_exact() -> None:
    """Only what is added up to one number must fit into one."""
    tiles = [make_tile(make_rows(*NEAR_THE_LIMIT, town=town), FEATURES, TONS) for town in ("Ulm", "Bonn", "Kiel")]
    assert merge_tiles(tiles, TONS)["sum"].tolist() == [512 * (2**53 - 1)] * 3
    assert sum_windows(tiles, TONS, [3])["sum_3"].tolist() == [512 * (2**53 - 1)] * 3


def test_windows_hold_the_partition_itself_and_the_days_before() -> None:
    days = [make_tile(make_rows(weight), FEATURES, BY_TOWN) for weight in (1.0, 10.0, 100.0)]
    (row,) = rows_of(sum_windows(days, BY_TOWN, [1, 2, 7]))
    assert row == {
        "town": "Ulm",
        "count_1": 1,
        "sum_1": 100,
        "count_2": 2,
        "sum_2": 1100,
        "count_7": 3,
        "sum_7": 11100,
    }


def test_days_beyond_the_longest_window_count_for_nothing() -> None:
    days = [make_tile(make_rows(weight), FEATURES, BY_TOWN) for weight in (1.0, 10.0, 100.0)]
    assert rows_of(sum_windows(days, BY_TOWN, [2])) == [{"town": "Ulm", "count_2": 2, "sum_2": 1100}]


def test_a_group_that_was_seen_earlier_only_has_zeros_in_the_shorter_window() -> None:
    days = [make_tile(make_rows(1.0), FEATURES, BY_TOWN), make_tile(make_rows(2.0, town="Bonn"), FEATURES, BY_TOWN)]
    assert rows_of(sum_windows(days, BY_TOWN, [1, 2]))[0] == {
        "town": "Bonn",
        "count_1": 0,
        "sum_1": 0,
        "count_2": 1,
        "sum_2": 200,
    }


def test_sums_do_not_depend_on_the_order_of_rows_tiles_or_shards() -> None:
    weights = [0.1, 0.5, 1e9, -1e9]
    tiles = {
        merge_tiles([make_tile(make_rows(weight), FEATURES, BY_TOWN) for weight in order], BY_TOWN)["sum"].iloc[0]
        for order in permutations(weights)
    }
    assert tiles == {60}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1e6, 1e6) | st.just(float("nan"))), max_size=30))
def test_tiles_of_shards_merge_into_the_tile_of_all_rows(rows: list[tuple[str, float]]) -> None:
    aggregate = Aggregate("parcels", by=("town",), value="weight", scale=3)
    frame = pd.DataFrame(
        {"town": pd.array([town for town, _ in rows], dtype="str"), "weight": [weight for _, weight in rows]}
    )
    whole = make_tile(frame, FEATURES, aggregate)
    parts = [make_tile(frame.iloc[start::3], FEATURES, aggregate) for start in (2, 0, 1)]
    pd.testing.assert_frame_equal(merge_tiles(parts, aggregate), whole)


DAYS = st.lists(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5) | st.none()), max_size=4), min_size=2, max_size=9
)
COUNTED = Aggregate("parcels", by=("town",))
LENGTHS = {TONS: [1, 2, 4], COUNTED: [3]}


def make_day(day: list[tuple[str, int | None]]) -> pd.DataFrame:
    weights = [float("nan") if weight is None else float(weight) for _, weight in day]
    towns = pd.array([town for town, _ in day], dtype="str")
    return pd.DataFrame({"town": towns, "weight": pd.Series(weights, dtype="float64")})


def tile_together(rows: pd.DataFrame) -> pd.DataFrame:
    aggregates = list(LENGTHS)
    return add_up_cuts([cut_rows(rows, FEATURES, aggregates)], aggregates)


@settings(max_examples=40)
@given(DAYS)
def test_windows_that_are_rolled_on_are_those_that_are_added_up(days: list[list[tuple[str, int | None]]]) -> None:
    """Day after day, groups come and vanish; some rows have a value for one aggregate alone."""
    tiles = [tile_together(make_day(day)) for day in days]
    rolled = sum_alike(tiles[:1], LENGTHS)
    for today in range(1, len(tiles)):
        leaving = {length: tiles[today - length] for length in (1, 2, 3, 4) if today >= length}
        rolled = roll_alike(rolled, tiles[today], leaving, LENGTHS)
        pd.testing.assert_frame_equal(rolled, sum_alike(tiles[today::-1], LENGTHS))


@settings(max_examples=40)
@given(DAYS)
def test_windows_of_aggregates_together_are_those_of_each(days: list[list[tuple[str, int | None]]]) -> None:
    """But for groups that have none of the one: they are there with zeros, which mean the same."""
    summed = sum_alike([tile_together(make_day(day)) for day in days], LENGTHS)
    for aggregate, lengths in LENGTHS.items():
        alone = sum_windows([make_tile(make_day(day), FEATURES, aggregate) for day in days], aggregate, lengths)
        together = take_windows(summed, LENGTHS, aggregate)
        some = together[f"count_{max(lengths)}"] > 0
        pd.testing.assert_frame_equal(together[some].reset_index(drop=True), alone)
        assert (together[~some].drop(columns="town") == 0).all(axis=None)


def test_a_day_without_a_tile_lets_others_leave_all_the_same() -> None:
    first, second = tile_together(make_rows(1.0)), tile_together(make_rows(2.0, town="Bonn"))
    windows = {TONS: [1, 2], COUNTED: [1, 2]}
    before = sum_alike([second, first], windows)
    rolled = roll_alike(before, None, {1: second, 2: first}, windows)
    pd.testing.assert_frame_equal(rolled, sum_alike([second.iloc[:0], second], windows))


@pytest.mark.parametrize("stranger", [make_rows(1.0, 2.0), make_rows(float("nan"), 1.0)], ids=["both", "counted"])
def test_a_tile_that_was_never_in_the_window_is_refused(stranger: pd.DataFrame) -> None:
    windows = {TONS: [1], COUNTED: [1]}
    before = sum_alike([tile_together(make_rows(1.0))], windows)
    with pytest.raises(ValueError, match="more leaves a window than was in it"):
        roll_alike(before, None, {1: tile_together(stranger)}, windows)


def test_aggregates_with_the_same_keys_are_cut_and_added_up_together() -> None:
    """To what each of them has by itself, also where some rows have a value for one of them alone."""
    rows = pd.concat([make_parcels(), make_rows(2.5, float("nan")), make_rows(float("nan"), town="Bonn")])
    aggregates = [BY_TOWN, COUNTED]
    together = add_up_cuts([cut_rows(rows.iloc[start::2], FEATURES, aggregates) for start in (0, 1)], aggregates)
    for position, aggregate in enumerate(aggregates):
        names = {f"count_{position}": "count", f"sum_{position}": "sum"}
        own = together[["town", *names]].rename(columns=names)
        expected = make_tile(rows, FEATURES, aggregate)
        pd.testing.assert_frame_equal(own[own["count"] > 0].reset_index(drop=True), expected)
        assert (own[own["count"] == 0]["sum"] == 0).all()
