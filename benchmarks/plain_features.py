"""The twelve trailing features as a script makes them: from the raw events of all days, whole frames in pandas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from features.declarations import FeatureSet


def read_day(lake: Path, source: str, day: date) -> pd.DataFrame:
    """What a source delivered for a day, as one frame."""
    files = sorted(lake.glob(f"upstream/{source}/partition={day}/delivery=*/*.parquet"))
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def read_events(lake: Path, newest: date, days: int) -> pd.DataFrame:
    """The events of so many days, with their ``age`` in days."""
    aged = [read_day(lake, "events", newest - timedelta(days=age)).assign(age=age) for age in range(days - 1, -1, -1)]
    return pd.concat(aged, ignore_index=True)


def build_features(
    customers: pd.DataFrame, events: pd.DataFrame, windows: Sequence[int], feature_set: FeatureSet
) -> pd.DataFrame:
    """Columns of the feature set in its order, by customer, in the order of the customers."""
    features = customers.set_index("customer_id", drop=False)
    for window in windows:
        inside = events[events["age"] < window]
        grouped = inside.groupby("customer_id").agg(
            count=("amount", "size"), total=("amount", "sum"), returned=("is_returned", "sum")
        )
        overall = inside["is_returned"].mean()
        grouped = grouped.reindex(features.index)
        features[f"amount_count_by_customer_id_{window}d"] = grouped["count"].fillna(0)
        features[f"amount_sum_by_customer_id_{window}d"] = grouped["total"].fillna(0)
        features[f"amount_mean_by_customer_id_{window}d"] = grouped["total"] / grouped["count"]
        smoothed = (grouped["returned"].fillna(0) + 2.0 * overall) / (grouped["count"].fillna(0) + 2.0)
        features[f"returned_mean_by_customer_id_{window}d"] = smoothed
    wanted = features[[feature.name for feature in feature_set.columns]]
    return wanted.astype({feature.name: "float64" for feature in feature_set.columns if feature.kind == "number"})
