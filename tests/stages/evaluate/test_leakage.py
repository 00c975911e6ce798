from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.stages.evaluate import measure_features
from pipeline.stages.evaluate.leakage import MOST_ROWS

ROWS = 4000


def sample() -> tuple[pd.DataFrame, pd.Series]:
    chance = np.random.default_rng(0)
    labels = pd.Series(chance.integers(0, 2, ROWS))
    features = pd.DataFrame(
        {
            "noise": chance.normal(size=ROWS),
            "outcome": labels * 10.0,
            "bent": np.where(labels == 1, chance.normal(0, 0.1, ROWS), chance.choice([-1.0, 1.0], ROWS)),
            "absent": np.where(labels == 1, np.nan, 1.0),
            "names": [f"name {number}" for number in range(ROWS)],
            "kind": np.where(labels == 1, "late", "early"),
        }
    )
    return features, labels


def test_what_knows_the_outcome_is_found_in_whatever_form_it_comes() -> None:
    features, labels = sample()
    kinds = dict.fromkeys(features.columns, "number") | {"names": "category", "kind": "category"}
    power = measure_features("binary", features, labels, kinds)  # type: ignore[arg-type]
    for name in ("outcome", "bent", "absent", "kind"):
        assert power[name] > 0.95, name
    assert list(power) == sorted(power, key=lambda name: -power[name])


def test_noise_and_names_that_never_come_back_tell_nothing() -> None:
    features, labels = sample()
    power = measure_features("binary", features, labels, {"noise": "number", "names": "category"})
    assert power["noise"] == pytest.approx(0.5, abs=0.04)
    assert power["names"] == 0.5


def test_a_regression_is_measured_by_what_is_explained() -> None:
    chance = np.random.default_rng(0)
    labels = pd.Series(chance.normal(size=ROWS))
    features = pd.DataFrame({"itself": labels, "noise": chance.normal(size=ROWS)})
    power = measure_features("regression", features, labels, {"itself": "number", "noise": "number"})
    assert power["itself"] > 0.95
    assert power["noise"] < 0.02


def test_labels_of_one_class_tell_nothing_of_any_feature() -> None:
    features = pd.DataFrame({"value": np.arange(10.0)})
    assert measure_features("binary", features, pd.Series([1.0] * 10), {"value": "number"}) == {"value": 0.5}


def test_of_many_rows_evenly_spaced_ones_are_enough() -> None:
    features, labels = sample()
    many = pd.concat([features] * 40, ignore_index=True), pd.concat([labels] * 40, ignore_index=True)
    power = measure_features("binary", *many, {"outcome": "number", "noise": "number"})
    assert len(many[1]) > MOST_ROWS
    assert power["outcome"] > 0.99
    assert power["noise"] == pytest.approx(0.5, abs=0.04)
