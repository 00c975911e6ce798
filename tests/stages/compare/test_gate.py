"""Limits of the release gate."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pipeline.job import ReleaseGate
from pipeline.stages.compare import Scores, Tally, find_breaches, tally_scores

BY = Scores(0.0, 1.0, 0.5, ("region",))


def frame(scores: list[float], regions: list[str], first: int = 0) -> pd.DataFrame:
    ids = [str(first + number) for number in range(len(scores))]
    return pd.DataFrame({"entity_id": ids, "prediction": scores, "region": regions})


def breaches(tally: Tally, *, same_partition: bool = False, **gate: object) -> list[tuple[str, str, float]]:
    declared = ReleaseGate.model_validate({"on_breach": "block", "min_segment": 2, **gate})
    found = find_breaches(tally, declared, same_partition=same_partition)
    return [(breach.measure, breach.value, breach.found) for breach in found]


@pytest.fixture
def halved() -> Tally:
    """Of two regions of four, one lost two; of the others one decision flipped."""
    before = frame([0.1, 0.1, 0.9, 0.9] * 2, ["north"] * 4 + ["south"] * 4)
    after = frame([0.9, 0.1, 0.9, 0.9, 0.1, 0.1], ["north"] * 4 + ["south"] * 2)
    return tally_scores(before, after, BY)


def test_what_is_over_a_limit_is_a_breach_as_a_whole_and_by_segment(halved: Tally) -> None:
    assert breaches(halved, max_lost=0.2) == [("lost_share", "", 0.25), ("lost_share", "south", 0.5)]
    assert breaches(halved, max_flipped=0.2) == [("flipped_share", "north", 0.25)]


def test_what_is_at_a_limit_is_none(halved: Tally) -> None:
    assert breaches(halved, max_lost=0.5, max_flipped=0.25) == []


def test_the_worst_segment_comes_first(halved: Tally) -> None:
    assert [value for _, value, _ in breaches(halved, max_shift=0.1)] == ["south", "north"]


def test_a_small_segment_is_not_judged(halved: Tally) -> None:
    assert breaches(halved, max_lost=0.3, min_segment=5) == []


def test_a_segment_that_vanished_is_judged_by_its_loss() -> None:
    before = frame([0.1] * 8, ["north"] * 4 + ["south"] * 4)
    after = frame([0.1] * 4, ["north"] * 4)
    assert breaches(tally_scores(before, after, BY), max_lost=0.6, max_shift=0.5) == [("lost_share", "south", 1.0)]


def test_where_ids_do_not_recur_a_loss_is_told_by_counts_and_flips_not_at_all() -> None:
    before, after = frame([0.9] * 4, ["north"] * 4), frame([0.1] * 3, ["north"] * 3, first=100)
    tally = tally_scores(before, after, BY)
    limits: dict[str, Any] = {"max_lost": 0.2, "max_flipped": 0.0, "ids_recur": False, "min_segment": 100}
    assert breaches(tally, **limits) == [("shrunk_share", "", 0.25)]
    assert breaches(tally, same_partition=True, **limits) == [("lost_share", "", 1.0)]


def test_a_breach_is_described_without_the_segments_value(halved: Tally) -> None:
    gate = ReleaseGate(max_lost=0.3, on_breach="block", min_segment=2)
    (breach,) = find_breaches(halved, gate, same_partition=True)
    assert breach.describe() == "0.5000 of the live entities are lost in a segment of region (limit 0.3)"
