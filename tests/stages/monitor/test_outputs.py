"""What is counted of a night's predictions does not depend on its shards."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.job import Job
from pipeline.monitoring import Distribution, Outputs
from pipeline.stages.column_profiles import NumberProfile, profile_column
from pipeline.stages.monitor.outputs import OutputTally, learn_edges, recall_edges
from tests.monitoring_records import make_observed, make_outputs, name_night
from tests.stages.parcel_job import PARCELS, PRICES

JOB = PARCELS.model_copy(update={"decision_threshold": 0.5, "segments": ("depot",)})
NIGHT = pd.DataFrame(
    {
        "prediction": [0.1] * 600 + [0.5] * 200 + [0.9] * 150 + [1.0] * 50,
        "depot": ["north"] * 500 + ["south"] * 300 + [None] * 200,
    }
)


def count(job: Job, *shards: pd.DataFrame) -> Outputs:
    edges = recall_edges(job, [])
    assert edges is not None
    tally = OutputTally(job, edges)
    for shard in shards:
        tally.add(shard)
    return tally.describe()


def profile(scores: list[float]) -> NumberProfile:
    found = profile_column(pd.Series(scores, dtype="float64"))
    assert isinstance(found, NumberProfile)
    return found


def test_a_night_is_described() -> None:
    found = count(JOB, NIGHT)
    scores = NIGHT["prediction"]
    assert found.rows == 1000
    assert [found.mean, found.std] == pytest.approx([scores.mean(), scores.std(ddof=0)])
    assert (found.share_above, found.concentration) == (0.4, 0.6)
    assert found.quantiles["q50"] == pytest.approx(0.1, rel=0.01)
    assert found.quantiles["q95"] == pytest.approx(0.9, rel=0.01)


def test_probabilities_are_counted_over_twenty_equal_bins_both_ends_included() -> None:
    found = count(JOB, NIGHT).distribution
    assert found.edges == pytest.approx(np.linspace(0, 1, 21))
    assert {number: rows for number, rows in enumerate(found.counts) if rows} == {2: 600, 10: 200, 18: 150, 19: 50}


def test_segments_too_small_to_judge_are_left_out() -> None:
    segments = {item.segment: item for item in count(JOB, NIGHT).segments}
    assert {name: item.rows for name, item in segments.items()} == {
        "depot=(none)": 200,
        "depot=north": 500,
        "depot=south": 300,
    }
    assert segments["depot=south"].share_above == pytest.approx(2 / 3)
    assert segments["depot=south"].mean == pytest.approx((100 * 0.1 + 200 * 0.5) / 300)
    assert [item.segment for item in count(JOB, NIGHT[:650]).segments] == ["depot=north"]


def test_without_a_threshold_nothing_is_above_it() -> None:
    job = JOB.model_copy(update={"decision_threshold": None})
    found = count(job, NIGHT)
    assert found.share_above is None
    assert {item.share_above for item in found.segments} == {None}


def test_shards_give_what_the_whole_gives() -> None:
    mixed = NIGHT.sample(frac=1, random_state=1)
    shards = [mixed[:10], mixed[10:10], mixed[10:700], mixed[700:]]
    whole, parts = count(JOB, NIGHT), count(JOB, *shards)
    assert parts.model_copy(update={"segments": ()}) == whole.model_copy(update={"segments": ()})
    for one, other in zip(parts.segments, whole.segments, strict=True):
        assert (one.segment, one.rows, one.share_above) == (other.segment, other.rows, other.share_above)
        assert one.mean == pytest.approx(other.mean, rel=1e-12)


def test_one_prediction_among_many_different_ones_is_found() -> None:
    different = np.arange(9500) / 10_000
    scores = np.concatenate([different, np.full(500, 0.97)])
    shards = [pd.DataFrame({"prediction": scores[start::4], "depot": "north"}) for start in range(4)]
    assert count(JOB, *shards).concentration == 0.05


def test_other_tasks_have_bins_of_as_many_rows_each() -> None:
    assert recall_edges(PRICES, []) is None
    scores = [profile(list(range(1, 101))), profile(list(range(101, 201)))]
    edges = learn_edges(scores)
    assert (edges[0], edges[-1], len(edges)) == (1.0, 200.0, 21)
    assert list(edges) == sorted(set(edges))


def test_bins_stay_those_of_the_night_before() -> None:
    known = Distribution(edges=(1.0, 5.0, 9.0), counts=(1, 1))
    past = [make_observed(name_night(0), outputs=make_outputs(distribution=known)), make_observed(name_night(1))]
    assert recall_edges(PRICES, past) == (1.0, 5.0, 9.0)


def test_what_is_beyond_the_bins_counts_in_the_end_ones() -> None:
    tally = OutputTally(PRICES, (1.0, 5.0, 9.0))
    tally.add(pd.DataFrame({"prediction": [-50.0, 1.0, 5.0, 90.0]}))
    assert tally.describe().distribution.counts == (2, 2)


def test_predictions_that_are_all_alike_have_one_bin() -> None:
    edges = learn_edges([profile([3.0, 3.0])])
    tally = OutputTally(PRICES, edges)
    tally.add(pd.DataFrame({"prediction": [3.0, 3.0]}))
    assert tally.describe().distribution.counts == (2,)
