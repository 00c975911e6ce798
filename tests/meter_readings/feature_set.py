"""Features of a meter for tomorrow, from what is known at the cutoff tonight."""

from __future__ import annotations

import pandas as pd

from features.declarations import Aggregate, Feature, FeatureSet, Lookup, Trailing


def is_weekend(weekday: pd.Series) -> pd.Series:
    """1.0 on Saturday and Sunday, else 0.0."""
    return (weekday >= 5).astype("float64")


def cents_per_amp(cents_per_kwh: pd.Series, rated_amps: pd.Series) -> pd.Series:
    """Infinite for a meter that is rated at nothing."""
    return cents_per_kwh.astype("float64") / rated_amps


BY_METER = Aggregate("readings", by=("meter_id",), value="kwh", scale=3)
BY_REGION = Aggregate("readings", by=("region",), value="kwh", scale=3)
ALL = Aggregate("readings", by=(), value="kwh", scale=3)

FEATURES = FeatureSet(
    name="meter_readings",
    version=2,
    row_functions=(is_weekend, cents_per_amp),
    features=(
        Feature("region", "category"),
        Feature("rated_amps"),
        Feature("is_weekend"),
        Feature("cents_per_amp"),
    ),
    trailing=(
        Trailing(BY_METER, windows=(1, 4), smoothing=0.5),
        Trailing(BY_METER, windows=(4,), function="count"),
        Trailing(BY_REGION, windows=(1, 4)),
        Trailing(ALL, windows=(2,), function="sum"),
    ),
    lookups=(Lookup("tariffs", on=("tariff",), key=("tariff",), columns=("cents_per_kwh",)),),
)
