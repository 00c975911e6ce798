"""A row's features are the same whichever other rows are built with it: values bit for bit, and dtypes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.build import build_features
from features.declarations import Aggregate, Feature, FeatureSet, Lookup, Trailing
from features.tiles import make_tile, sum_windows

LARGE = 2**53 + 1
DAYS = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 07:30", "2024-01-02 00:00"]).tz_localize("UTC").as_unit("us")
DEPOTS = pd.DataFrame(
    {
        "depot": [1, 2, 3],
        "zone": [31, 32, LARGE],
        "small": np.array([1, 2, 255], dtype="uint8"),
        "open": [True, False, True],
        "label": pd.array(["a", "b", None], dtype="str"),
        "distance": [1.0, 2.5, np.nan],
        "opened": DAYS,
        "ramps": pd.array([1, None, LARGE], dtype="Int64"),
    }
)
CODES = {"box": 1, "tube": 2}


def kind_code(kind: pd.Series) -> pd.Series:
    """Integers where every kind is known, floats where one is not, objects where there is no row."""
    return kind.map(CODES)


def is_box(kind: pd.Series) -> pd.Series:
    """Booleans, or objects with a missing one among them."""
    return kind.map({"box": True, "tube": False})


def next_zone(zone: pd.Series) -> pd.Series:
    """Built on what was looked up."""
    return zone + 1


def zone_label(zone: pd.Series) -> pd.Series:
    """Text of what was looked up."""
    return zone.astype("str") + "z"


LOOKED_UP = ("zone", "small", "open", "label", "distance", "opened", "ramps")
NUMBERS = ("kind_code", "is_box", "next_zone", "zone", "small", "open", "distance", "ramps", "pieces", "urgent")
CATEGORIES = ("kind_code", "is_box", *LOOKED_UP, "zone_label", "pieces", "urgent", "due")
BY_DEPOT = Aggregate("parcels", by=("depot",), value="weight", scale=2)
BY_ZONE = Aggregate("parcels", by=("pieces", "depot"), value="weight", scale=2)


def make_feature_set(features: tuple[Feature, ...]) -> FeatureSet:
    return FeatureSet(
        "parcels",
        1,
        row_functions=(kind_code, is_box, next_zone, zone_label),
        features=features,
        trailing=(Trailing(BY_DEPOT, (1,), smoothing=2.0), Trailing(BY_ZONE, (1,))),
        lookups=(Lookup("depots", on=("depot",), key=("depot",), columns=LOOKED_UP),),
    )


FEATURE_SETS = [
    make_feature_set(tuple(Feature(name) for name in NUMBERS)),
    make_feature_set(tuple(Feature(name, "category") for name in CATEGORIES)),
]


def make_population() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "parcel": range(6),
            "depot": pd.array([1, 2, 3, 4, None, 1], dtype="Int64"),
            "kind": pd.array(["box", "tube", None, "crate", "box", "box"], dtype="str"),
            "pieces": pd.array([1, None, LARGE, 4, 5, 1], dtype="Int64"),
            "urgent": pd.array([True, None, False, True, None, False], dtype="boolean"),
            "due": pd.Series([*DAYS, pd.NaT, *DAYS[:2]], dtype="datetime64[us, UTC]"),
            "weight": [1.5, 2.25, np.nan, 4.0, 5.0, 6.0],
        }
    )


def build(population: pd.DataFrame, feature_set: FeatureSet) -> pd.DataFrame:
    events = make_population()
    windows = {
        aggregate: sum_windows([make_tile(events, feature_set, aggregate)], aggregate, [1])
        for aggregate in feature_set.aggregates
    }
    return build_features(population, feature_set, entity_id="parcel", dimensions={"depots": DEPOTS}, windows=windows)


@pytest.mark.parametrize("feature_set", FEATURE_SETS, ids=["numbers", "categories"])
@settings(max_examples=40)
@given(positions=st.lists(st.integers(0, 5), max_size=6))
def test_features_of_a_subset_are_the_subset_of_the_features(feature_set: FeatureSet, positions: list[int]) -> None:
    whole = build(make_population(), feature_set)
    part = build(make_population().iloc[positions], feature_set)
    pd.testing.assert_frame_equal(part, whole.iloc[positions].reset_index(drop=True), check_exact=True)


def test_categories_are_written_like_their_values() -> None:
    built = build(make_population(), FEATURE_SETS[1]).fillna("-")
    assert built["zone"].tolist() == ["31", "32", str(LARGE), "-", "-", "31"]
    assert built["zone_label"].tolist()[:3] == ["31z", "32z", f"{LARGE}z"]
    assert built["open"].tolist() == ["True", "False", "True", "-", "-", "True"]
    assert built["kind_code"].tolist() == ["1", "2", "-", "-", "1", "1"]
    assert built["distance"].tolist() == ["1", "2.5", "-", "-", "-", "1"]
    assert built["due"].tolist()[:2] == ["2024-01-01 00:00:00+00:00", "2024-01-01 07:30:00+00:00"]


def test_a_dimension_without_rows_leaves_everything_missing() -> None:
    built = build_features(
        make_population(),
        FeatureSet("parcels", 1, features=(Feature("zone"),), lookups=FEATURE_SETS[0].lookups),
        entity_id="parcel",
        dimensions={"depots": DEPOTS.iloc[:0]},
        windows={},
    )
    assert built["zone"].isna().all()


@pytest.mark.parametrize("name", ["label", "opened"])
def test_a_number_that_is_none_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"feature {name} is declared a number"):
        build(make_population(), make_feature_set((Feature(name),)))
