"""Features of a partition, by hand: look-ups, windows, smoothing, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from features.build import build_features
from features.declarations import Aggregate, Feature, FeatureSet, Trailing
from features.matching import match_keys
from features.tiles import make_tile, sum_windows
from tests.features.frames import ALL, BY_TOWN, FEATURES, make_parcels

TOWNS = pd.DataFrame({"name": pd.array(["Bonn", "Ulm"], dtype="str"), "distance": [3.5, 80.0]}, index=[5, 5])


def make_events(*rows: tuple[str, str, float]) -> pd.DataFrame:
    town, kind, weight = zip(*rows, strict=True)
    return pd.DataFrame(
        {"town": pd.array(town, dtype="str"), "kind": pd.array(kind, dtype="str"), "weight": list(weight)}
    )


TODAY = make_events(("Ulm", "box", 4.0), ("Ulm", "box", 20.0), ("Bonn", "tube", 6.0))
YESTERDAY = make_events(("Bonn", "tube", 30.0), ("Ulm", "tube", 1.0))


def sum_up(feature_set: FeatureSet, days: list[pd.DataFrame]) -> Mapping[Aggregate, pd.DataFrame]:
    return {
        aggregate: sum_windows(
            [make_tile(day, feature_set, aggregate) for day in days],
            aggregate,
            sorted({window for item in feature_set.trailing if item.aggregate == aggregate for window in item.windows}),
        )
        for aggregate in feature_set.aggregates
    }


def build(population: pd.DataFrame, feature_set: FeatureSet = FEATURES) -> pd.DataFrame:
    return build_features(
        population,
        feature_set,
        entity_id="parcel",
        dimensions={"towns": TOWNS},
        windows=sum_up(feature_set, [TODAY, YESTERDAY]),
    )


def test_columns_are_those_of_the_feature_set_after_the_id() -> None:
    built = build(make_parcels())
    assert list(built.columns) == [
        "parcel",
        "town",
        "is_heavy",
        "distance",
        "weight_mean_by_town_1d",
        "weight_mean_by_town_2d",
        "is_heavy_mean_by_town_kind_2d",
        "parcels_rows_count_by_town_2d",
        "weight_sum_by_destination_2d",
        "weight_mean_by_all_1d",
    ]
    assert built["parcel"].tolist() == [1, 2, 3]
    kinds = {name: str(dtype) for name, dtype in built.dtypes.items()}
    assert (kinds.pop("parcel"), kinds.pop("town")) == ("int64", "str")
    assert set(kinds.values()) == {"float64"}


def test_a_lookup_brings_columns_in_and_leaves_the_unknown_missing() -> None:
    np.testing.assert_array_equal(build(make_parcels())["distance"], [80.0, np.nan, 3.5])


def test_a_smoothed_mean_by_hand() -> None:
    """Ulm today: 2 values, sum 24; overall 30 / 3 = 10; (24 + 2 * 10) / (2 + 2) = 11."""
    built = build(make_parcels())
    assert built["weight_mean_by_town_1d"].tolist() == [11.0, 10.0, (6 + 20) / 3]
    # Over both days: Ulm 25 of 3, Bonn 36 of 2, overall 61 / 5 = 12.2.
    assert built["weight_mean_by_town_2d"].tolist() == pytest.approx([(25 + 24.4) / 5, 12.2, (36 + 24.4) / 4])


def test_an_unsmoothed_mean_of_nothing_is_missing() -> None:
    """The second parcel has no town; no tube was heavy today, the one of yesterday in Bonn was."""
    np.testing.assert_array_equal(build(make_parcels())["is_heavy_mean_by_town_kind_2d"], [0.5, np.nan, 0.5])


def test_counts_and_sums_of_an_unseen_group_are_zero() -> None:
    built = build(make_parcels())
    assert built["parcels_rows_count_by_town_2d"].tolist() == [3.0, 0.0, 2.0]
    assert built["weight_sum_by_destination_2d"].tolist() == [36.0, 25.0, 0.0]


def test_one_group_of_everything() -> None:
    assert build(make_parcels())["weight_mean_by_all_1d"].tolist() == [10.0] * 3


def test_no_events_at_all() -> None:
    feature_set = FeatureSet(
        "parcels",
        1,
        trailing=(
            Trailing(BY_TOWN, (1,), smoothing=3.0),
            Trailing(BY_TOWN, (1,), "count"),
            Trailing(ALL, (1,), "sum"),
        ),
    )
    built = build_features(
        make_parcels(), feature_set, entity_id="parcel", dimensions={}, windows=sum_up(feature_set, [TODAY.iloc[:0]])
    )
    assert built["weight_mean_by_town_1d"].isna().all()
    assert built["weight_count_by_town_1d"].tolist() == [0.0] * 3
    assert built["weight_sum_by_all_1d"].tolist() == [0.0] * 3


def test_every_shard_gets_what_the_whole_population_gets() -> None:
    whole = build(make_parcels())
    parts = [build(make_parcels().iloc[[number]]) for number in range(3)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_the_population_is_left_as_it_was() -> None:
    population = make_parcels()
    build(population)
    pd.testing.assert_frame_equal(population, make_parcels())


def test_integer_keys_beyond_every_float_are_told_apart() -> None:
    aggregate = Aggregate("parcels", by=("parcel",), value="weight")
    feature_set = FeatureSet("parcels", 1, trailing=(Trailing(aggregate, (1,), "sum"),))
    ids = np.array([2**53, 2**53 + 1, 2**53 + 2], dtype="int64")
    events = pd.DataFrame({"parcel": ids, "weight": [1.0, 2.0, 3.0]})
    built = build_features(
        pd.DataFrame({"parcel": ids[::-1]}),
        feature_set,
        entity_id="parcel",
        dimensions={},
        windows=sum_up(feature_set, [events]),
    )
    assert built["weight_sum_by_parcel_1d"].tolist() == [3.0, 2.0, 1.0]


def test_a_column_that_nothing_makes_is_named() -> None:
    wrong = FeatureSet("parcels", 1, features=(Feature("colour"),))
    with pytest.raises(KeyError, match="colour"):
        build_features(make_parcels(), wrong, entity_id="parcel", dimensions={}, windows={})


def test_the_mean_over_all_groups_is_exact_where_no_single_number_holds_their_sum() -> None:
    aggregate = Aggregate("parcels", by=("town",), value="weight")
    feature_set = FeatureSet("parcels", 1, trailing=(Trailing(aggregate, (1,), smoothing=1.0),))
    largest = float(2**53 - 1)
    events = make_events(*((town, "box", largest) for town in "abc" for _ in range(512)))
    built = build_features(
        make_parcels(), feature_set, entity_id="parcel", dimensions={}, windows=sum_up(feature_set, [events])
    )
    assert built["weight_mean_by_town_1d"].tolist() == [largest] * 3


def test_keys_of_another_kind_than_the_events_are_refused() -> None:
    """They would match nothing, and every entity would get the overall mean."""
    population = make_parcels().assign(town=[1, 2, 3])
    with pytest.raises(ValueError, match=r"parcels\.weight_by_town matches town \(int64\) with town \(str\)"):
        build(population, FeatureSet("parcels", 1, trailing=(Trailing(BY_TOWN, windows=(1,)),)))


def test_keys_of_another_kind_than_the_dimension_are_refused() -> None:
    population = make_parcels().assign(town=[1, 2, 3])
    with pytest.raises(ValueError, match=r"the lookup of towns matches town \(int64\) with name \(str\)"):
        build(population, FeatureSet("parcels", 1, lookups=FEATURES.lookups))


def test_aggregates_whose_groups_are_the_same_are_matched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And those whose groups differ are not, though they are matched with the same columns."""
    counted = Aggregate("events", by=("town",))
    weighed = Aggregate("events", by=("town",), value="weight", scale=1)
    both = FeatureSet(
        name="both",
        version=1,
        features=(Feature("town", "category"),),
        trailing=(
            Trailing(counted, windows=(1,), function="count"),
            Trailing(weighed, windows=(1,), function="sum"),
            Trailing(counted, windows=(2,), function="count"),
        ),
    )
    windows = dict(sum_up(both, [TODAY, YESTERDAY]))
    asked: list[str] = []

    def note(keys: pd.DataFrame, groups: pd.DataFrame, what: str) -> np.ndarray:
        asked.append(what)
        return match_keys(keys, groups, what)

    monkeypatch.setattr("features.build.match_keys", note)

    def build_both() -> pd.DataFrame:
        asked.clear()
        return build_features(make_parcels(), both, entity_id="parcel", dimensions={}, windows=windows)

    once = build_both()
    assert asked == [counted.name]
    windows[weighed] = windows[weighed].iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(build_both(), once)
    assert asked == [counted.name, weighed.name]
