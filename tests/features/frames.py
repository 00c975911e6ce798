"""Row features and a feature set over frames of three rows, for the tests of what is built from them."""

from __future__ import annotations

import pandas as pd

from features.declarations import Aggregate, Feature, FeatureSet, Lookup, Trailing

HEAVY = 10.0


def is_heavy(weight: pd.Series) -> pd.Series:
    """1.0 above ten kilograms."""
    return (weight > HEAVY).astype("float64")


def weight_in_grams(weight: pd.Series) -> pd.Series:
    """Grams."""
    return weight * 1000


def grams_and_one(weight_in_grams: pd.Series) -> pd.Series:
    """Builds on another row feature."""
    return weight_in_grams + 1


BY_TOWN = Aggregate("parcels", by=("town",), value="weight", scale=2)
BY_TOWN_AND_KIND = Aggregate("parcels", by=("town", "kind"), value="is_heavy")
ROWS = Aggregate("parcels", by=("town",))
ALL = Aggregate("parcels", by=(), value="weight", scale=2)

FEATURES = FeatureSet(
    name="parcels",
    version=1,
    row_functions=(is_heavy, weight_in_grams, grams_and_one),
    features=(Feature("town", "category"), Feature("is_heavy"), Feature("distance")),
    trailing=(
        Trailing(BY_TOWN, windows=(1, 2), smoothing=2.0),
        Trailing(BY_TOWN_AND_KIND, windows=(2,)),
        Trailing(ROWS, windows=(2,), function="count"),
        Trailing(BY_TOWN, windows=(2,), function="sum", on=("destination",)),
        Trailing(ALL, windows=(1,), function="mean"),
    ),
    lookups=(Lookup("towns", on=("town",), key=("name",), columns=("distance",)),),
)


def make_parcels() -> pd.DataFrame:
    """Three parcels; one has no town, one no weight."""
    return pd.DataFrame(
        {
            "parcel": pd.array([1, 2, 3], dtype="int64"),
            "town": pd.array(["Ulm", None, "Bonn"], dtype="str"),
            "destination": pd.array(["Bonn", "Ulm", "Nowhere"], dtype="str"),
            "kind": pd.array(["box", "box", "tube"], dtype="str"),
            "weight": [12.5, 2.25, float("nan")],
        },
        index=[7, 7, 3],
    )
