"""The highest predictions: the same ones whether shards are taken one by one or all rows at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.stages.highest import Highest, merge_highest, take_highest


def draw(rows: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of which many are equal, and features that tell whose they are."""
    random = np.random.default_rng(seed)
    ids = pd.Series([f"entity-{number:04d}" for number in random.permutation(rows)], dtype="str")
    scores = pd.DataFrame({"entity_id": ids, "prediction": random.integers(0, 20, rows) / 20})
    return scores, pd.DataFrame({"meter_id": ids, "load": scores["prediction"] * 2})


def assert_same(one: Highest, other: Highest) -> None:
    pd.testing.assert_frame_equal(one.scores, other.scores)
    pd.testing.assert_frame_equal(one.features, other.features)


def test_the_highest_come_first_and_equal_ones_by_their_ids() -> None:
    scores = pd.DataFrame({"entity_id": ["d", "b", "c", "a"], "prediction": [0.5, 0.9, 0.5, 0.1]})
    highest = take_highest(scores, pd.DataFrame({"load": [4, 2, 3, 1]}), 3)
    assert list(highest.scores["entity_id"]) == ["b", "c", "d"]
    assert list(highest.features["load"]) == [2, 3, 4]


@pytest.mark.parametrize("most", [0, 1, 7, 100, 1000])
@pytest.mark.parametrize("shards", [1, 3, 40])
def test_those_of_shards_together_are_those_of_all(most: int, shards: int) -> None:
    scores, features = draw(400, seed=most + shards)
    parts = np.array_split(np.arange(400), shards)
    merged = merge_highest([take_highest(scores.iloc[part], features.iloc[part], most) for part in parts], most)
    assert_same(merged, take_highest(scores, features, most))
    ranked = scores.sort_values(["prediction", "entity_id"], ascending=[False, True])
    assert list(merged.scores["entity_id"]) == list(ranked["entity_id"])[:most]
    assert list(merged.features["meter_id"]) == list(merged.scores["entity_id"])
    assert list(merged.features["load"]) == list(merged.scores["prediction"] * 2)


def test_there_may_be_no_rows() -> None:
    scores, features = draw(0, seed=1)
    assert len(merge_highest([take_highest(scores, features, 5)], 5).scores) == 0
