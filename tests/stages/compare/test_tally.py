"""Tallies of what differs between two generations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.stages.compare import Scores, Tally, tally_scores

BY = Scores(0.0, 1.0, 0.5, ("region",))


def frame(scores: dict[str, float], region: str = "north") -> pd.DataFrame:
    return pd.DataFrame({"entity_id": list(scores), "prediction": list(scores.values()), "region": region}).astype(
        {"entity_id": "str", "prediction": "float64"}
    )


def test_entities_are_lost_gained_and_flipped() -> None:
    before, after = frame({"a": 0.4, "b": 0.6, "c": 0.9}), frame({"b": 0.4, "c": 0.8, "d": 0.1, "e": 0.2})
    overall = tally_scores(before, after, BY).overall
    assert (overall.before, overall.after) == (3, 4)
    assert (overall.lost, overall.gained, overall.flipped) == (1, 2, 1)
    assert (overall.lost_share, overall.flipped_share) == (1 / 3, 1 / 2)
    assert overall.decided_before == pytest.approx(2 / 3, abs=1e-6)
    assert overall.decided_after == 0.25
    assert overall.mean_after == pytest.approx(0.375)


def test_an_entity_counts_in_the_segment_that_it_has_on_either_side() -> None:
    tally = tally_scores(frame({"a": 0.4}, "north"), frame({"a": 0.4}, "south"), BY)
    by_value = {segment.value: (segment.before, segment.after, segment.lost) for segment in tally.segments}
    assert by_value == {"north": (1, 0, 0), "south": (0, 1, 0)}


def test_an_empty_segment_has_a_name_of_its_own() -> None:
    nameless = frame({"a": 0.4}).assign(region=None)
    assert [segment.value for segment in tally_scores(nameless, nameless, BY).segments] == ["(none)"]


def test_the_shift_is_the_largest_distance_of_the_two_distributions() -> None:
    before = frame({str(number): number / 10 for number in range(10)})
    assert tally_scores(before, before, BY).overall.shift == 0
    low, high = frame({"a": 0.1, "b": 0.2}), frame({"a": 0.8, "b": 0.9})
    assert tally_scores(low, high, BY).overall.shift == 1
    half = frame({"a": 0.1, "b": 0.9})
    assert tally_scores(low, half, BY).overall.shift == 0.5


def test_without_a_threshold_nothing_is_decided() -> None:
    by = Scores(0.0, 1.0, None, ())
    overall = tally_scores(frame({"a": 0.1}), frame({"a": 0.9}), by).overall
    assert (overall.flipped, overall.flipped_share, overall.decided_before) == (None, None, None)


def test_a_smaller_generation_of_other_ids_has_shrunk() -> None:
    overall = tally_scores(frame({"a": 0.1, "b": 0.2}), frame({"c": 0.1}), BY).overall
    assert (overall.lost_share, overall.shrunk_share) == (1.0, 0.5)


def test_a_generation_without_entities_says_nothing_of_shares() -> None:
    overall = tally_scores(frame({}), frame({}), BY).overall
    assert (overall.lost_share, overall.flipped_share, overall.shift, overall.mean_before) == (None, None, None, None)


ids = st.dictionaries(st.integers(0, 30), st.tuples(st.floats(0, 1), st.sampled_from(["north", "south"])), max_size=20)


@settings(max_examples=40)
@given(ids, ids)
def test_tallies_of_shards_add_up_to_that_of_the_whole(
    before: dict[int, tuple[float, str]], after: dict[int, tuple[float, str]]
) -> None:
    def take(rows: dict[int, tuple[float, str]], shard: int | None) -> pd.DataFrame:
        chosen = {str(key): row for key, row in rows.items() if shard is None or key % 3 == shard}
        whole = frame({key: score for key, (score, _) in chosen.items()})
        return whole.assign(region=np.array([region for _, region in chosen.values()], dtype=object))

    merged = Tally(BY)
    for shard in range(3):
        merged.merge(tally_scores(take(before, shard), take(after, shard), BY))
    whole = tally_scores(take(before, None), take(after, None), BY)
    for one, other in zip([merged.overall, *merged.segments], [whole.overall, *whole.segments], strict=True):
        assert one.to_json() == pytest.approx(other.to_json(), abs=1e-5)
