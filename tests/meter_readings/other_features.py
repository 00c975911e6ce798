"""Another version of the feature set: the same columns, defined otherwise."""

from __future__ import annotations

from dataclasses import replace

from tests.meter_readings import feature_set

FEATURES = replace(feature_set.FEATURES, version=3)
