"""Permutation importance: what counts comes first, and the same rows give the same numbers."""

from __future__ import annotations

import pandas as pd
from sklearn.linear_model import LogisticRegression

from pipeline.stages.card import measure_importance
from tests.stages.parcel_job import PARCELS, make_parcels


def test_what_tells_the_outcome_comes_first_and_noise_counts_nothing() -> None:
    features, labels = make_parcels(3000)
    partitions = pd.Series(["2024-01-01"] * len(labels))
    model = LogisticRegression().fit(features[["weight", "distance"]], labels)
    first, second = measure_importance(model, features, labels, partitions, PARCELS)
    assert (first["feature"], second["feature"]) == ("weight", "distance")
    assert first["mean"] > 0.1
    assert abs(second["mean"]) < 0.01
    assert measure_importance(model, features, labels, partitions, PARCELS) == [first, second]
