"""The predictions of a released night are described from the lake, by the segments of their population."""

from __future__ import annotations

import pytest

from pipeline.job import Job
from pipeline.tasks.comparing import ScoredPopulation
from pipeline.tasks.monitoring.outputs import observe_outputs
from pipeline.tasks.night_inputs import load_night
from pipeline.tasks.runs import Summary
from pipeline.tasks.scoring import SCORE_STAGE
from tests.monitoring_records import make_observed
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, run_until_scored


def with_segments(job: Job) -> Job:
    gate = job.training.gate.model_copy(update={"min_segment": 20})
    training = job.training.model_copy(update={"gate": gate})
    return job.model_copy(update={"segments": ("region",), "training": training, "decision_threshold": 10.0})


def load_scored(served: Served, night: dict[str, Summary]) -> ScoredPopulation:
    own, _ = load_night(served.workspace.outputs(served.job), served.job, night["score"]["night"])
    scores = served.workspace.outputs(served.job).load(SCORE_STAGE, night["score"]["output"])
    return ScoredPopulation(scores, own[served.job.population.name].rows)


def test_every_prediction_is_counted(served: Served) -> None:
    scored = load_scored(served, served.first)
    found = observe_outputs(served.workspace, served.job, scored, []).outputs
    scores = served.predictions.values()
    assert (found.rows, sum(found.distribution.counts)) == (len(scores), len(scores))
    assert found.mean == pytest.approx(sum(scores) / len(scores))
    assert found.distribution.edges[0] == min(scores)
    assert found.distribution.edges[-1] == max(scores)


def test_segments_are_those_of_the_population_that_was_scored(served: Served) -> None:
    scored = load_scored(served, served.first)
    found = observe_outputs(served.workspace, with_segments(served.job), scored, []).outputs
    assert {item.segment.partition("=")[0] for item in found.segments} == {"region"}
    assert sum(item.rows for item in found.segments) == found.rows
    assert found.share_above == sum(score >= 10 for score in served.predictions.values()) / found.rows


def test_the_next_night_is_counted_over_the_bins_of_the_first_and_compared_with_it(served: Served) -> None:
    first = load_scored(served, served.first)
    seen = observe_outputs(served.workspace, served.job, first, [])
    night = make_observed(LIVE, *seen.signals, outputs=seen.outputs)
    second = load_scored(served, run_until_scored(served.workspace, served.job, NEXT))
    again = observe_outputs(served.workspace, served.job, second, [night])
    assert again.outputs.distribution.edges == seen.outputs.distribution.edges
    drift = next(signal for signal in again.signals if signal.name == "outputs.drift")
    assert drift.value is not None
    assert drift.muted == "0 of the 21 nights that a limit is learnt from"
