"""Features of a meter from two aggregates with the same keys, over windows of their own."""

from __future__ import annotations

from features.declarations import Aggregate, Feature, FeatureSet, Trailing
from tests.meter_readings.feature_set import BY_METER

READINGS = Aggregate("readings", by=("meter_id",))

FEATURES = FeatureSet(
    name="several_by_meter",
    version=1,
    features=(Feature("rated_amps"),),
    trailing=(
        Trailing(BY_METER, windows=(1, 4)),
        Trailing(READINGS, windows=(3,), function="count"),
    ),
)
