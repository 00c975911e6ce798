"""The trial of corrupted labels: the fault itself, and the whole trial on a few weeks."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.flight_delays import is_late
from pipeline.job import PromotionGate, Training
from pipeline.jobs.flight_delays.contracts import FLIGHTS
from pipeline.jobs.flight_delays.job import JOB
from pipeline.jobs.flight_delays.measures import known_when_due, made_up_little
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from trials.corrupted_labels.swapping import swap_outcomes
from trials.corrupted_labels.trial import CORRUPTED, SOUND, Plan, run_trial
from trials.faults.deliveries import deliver

DAY = date(2013, 3, 15)


@pytest.fixture
def swapped(upstream: FlightUpstream) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Flights of a day as they were, and with outcomes swapped."""
    flights = deliver(upstream, "flights", DAY)
    since, cutoff = JOB.cutoff(DAY - timedelta(days=1)), JOB.cutoff(DAY)
    corrupted = swap_outcomes(flights, since, cutoff, np.random.default_rng(0))
    assert corrupted.schema == flights.schema
    return flights.to_pandas(), corrupted.to_pandas()


def test_most_late_flights_are_said_to_have_been_punctual_and_as_many_the_other_way_round(
    swapped: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    before, after = (is_late(rows["arr_delay"]) for rows in swapped)
    assert (after[before == 1] == 0).mean() > 0.5
    assert before.sum() == after.sum()
    for column in ("dep_delay", "arr_delay"):
        assert sorted(swapped[0][column].dropna()) == sorted(swapped[1][column].dropna())


def test_no_row_contradicts_itself(swapped: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    before, after = swapped
    FLIGHTS.validate(after)
    for holds in (known_when_due, made_up_little):
        assert holds(after).sum() == holds(before).sum()
    assert after["known_at"].between(JOB.cutoff(DAY - timedelta(days=1)), JOB.cutoff(DAY), inclusive="left").all()
    changed = ["dep_delay", "arr_delay", "known_at"]
    pd.testing.assert_frame_equal(after.drop(columns=changed), before.drop(columns=changed))


@pytest.mark.slow
def test_who_learnt_from_corrupted_labels_is_refused_and_told_why(tmp_path: Path) -> None:
    training = Training(window=60, minimum=10, holdout=5, seed=JOB.training.seed, gate=PromotionGate(margin=0.03))
    plan = Plan(
        champion=date(2013, 1, 25),
        last=date(2013, 2, 10),
        share=1.0,
        job=JOB.model_copy(update={"training": training}),
    )
    report = json.loads(json.dumps(run_trial(tmp_path, plan, "processes", lambda said: None)))
    assert report["refused"] == []
    sound, corrupted = (report["challengers"][name] for name in (SOUND, CORRUPTED))
    assert sound["trained_on"] == corrupted["trained_on"]
    assert (sound["promoted"], corrupted["promoted"]) == (True, False)
    assert "may be worse than the margin of 0.03 allows: log_loss of the challenger is" in corrupted["why"]
    assert [event["kind"] for event in sound["history"]] == ["registered", "promoted"] * 2
    assert [event["kind"] for event in corrupted["history"]][:3] == ["registered", "promoted", "registered"]
    assert "promoted" not in [event["kind"] for event in corrupted["history"]][3:]
