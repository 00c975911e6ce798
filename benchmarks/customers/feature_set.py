"""Features of a customer: 19 columns, and twelve that are added up from the events of 1, 7 and 28 days."""

from __future__ import annotations

import pandas as pd

from features.declarations import Aggregate, Feature, FeatureSet, Trailing

WINDOWS = (1, 7, 28)


def returned(is_returned: pd.Series) -> pd.Series:
    """1.0 for an event that was taken back, else 0.0."""
    return is_returned.astype("float64")


AMOUNT = Aggregate("events", by=("customer_id",), value="amount", scale=2)
RETURNED = Aggregate("events", by=("customer_id",), value="returned")

FEATURES = FeatureSet(
    name="customers",
    version=1,
    row_functions=(returned,),
    features=(
        *(Feature(name, "category") for name in ("country", "segment", "plan", "channel", "device")),
        *(
            Feature(name)
            for name in (
                "age",
                "tenure_months",
                "products",
                "tickets",
                "newsletter",
                "balance",
                "credit_limit",
                "income",
                "score",
                "discount",
                "basket",
                "distance_km",
                "rating",
                "days_since_login",
            )
        ),
    ),
    trailing=(
        Trailing(AMOUNT, windows=WINDOWS, function="count"),
        Trailing(AMOUNT, windows=WINDOWS, function="sum"),
        Trailing(AMOUNT, windows=WINDOWS, function="mean"),
        Trailing(RETURNED, windows=WINDOWS, smoothing=2.0),
    ),
)
