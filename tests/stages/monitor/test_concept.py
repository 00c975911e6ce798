"""Concept drift is signalled where outcomes lastingly are others than the scores promise."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.monitoring import Graded
from pipeline.stages.monitor.concept import CONCEPT, find_gap, judge_concept
from pipeline.stages.monitor.estimate import count_scores, estimate_metrics, find_known, object_to_estimates
from pipeline.stages.monitor.usual import find_signal
from tests.monitoring_records import name_night
from tests.stages.monitor.graded_nights import draw_rows, grade_rows, make_grading
from tests.stages.parcel_job import PARCELS

DRIFTED = 70


@pytest.fixture(scope="module")
def nights() -> list[Graded]:
    """Ninety nights as feedback grades them, each with the estimate of its own evening.

    From night 70 on, outcomes are likelier than the scores, which are as before, have ever said.
    """
    chance = np.random.default_rng(20240103)
    graded: list[Graded] = []
    for number in range(90):
        labels, scores = draw_rows(
            chance, spread=float(chance.uniform(0.6, 1.6)), shift=1.5 if number >= DRIFTED else 0.0
        )
        known = [night for night in graded if night.partition <= find_known(PARCELS, name_night(number))]
        night = grade_rows(number, labels, scores, graded)
        if len(known) >= PARCELS.monitoring.minimum:
            calibration = [each for night in known[-PARCELS.monitoring.history :] for each in night.calibration]
            estimated = estimate_metrics("binary", count_scores([scores.to_numpy()]), calibration, None)
            night = night.model_copy(update={"estimated": estimated})
        signals = (*night.signals, judge_concept(PARCELS, night, graded))
        graded.append(night.model_copy(update={"signals": signals}))
    return graded


def count_breached(nights: list[Graded], name: str) -> int:
    return sum(signal is not None and signal.breached for signal in (find_signal(night, name) for night in nights))


def test_while_outcomes_follow_the_scores_the_gap_is_small(nights: list[Graded]) -> None:
    assert count_breached(nights[:DRIFTED], CONCEPT) <= 4
    assert object_to_estimates(PARCELS, nights[:DRIFTED]) is None


def test_once_they_do_not_the_gap_is_signalled_for_as_long_as_it_lasts(nights: list[Graded]) -> None:
    assert count_breached(nights[DRIFTED : DRIFTED + 10], CONCEPT) >= 9
    gaps = [find_gap(PARCELS, night) for night in nights[DRIFTED : DRIFTED + 5]]
    assert all(gap is not None and gap > 0.05 for gap in gaps)


def test_the_estimator_that_it_proves_wrong_is_muted(nights: list[Graded]) -> None:
    assert object_to_estimates(PARCELS, nights[: DRIFTED + 4]) is not None


def test_without_an_estimate_there_is_no_gap(nights: list[Graded]) -> None:
    signal = find_signal(nights[0], CONCEPT)
    assert signal is not None
    assert (signal.value, signal.muted) == (None, "nothing was estimated before the labels came")


def test_a_night_that_is_not_judged_is_not_judged_here_either() -> None:
    night = make_grading(0, metrics={"log_loss": 0.9}, estimated={"log_loss": 0.5})
    (primary,) = night.signals
    muted = night.model_copy(update={"signals": (primary.model_copy(update={"muted": "few labels"}),)})
    signal = judge_concept(PARCELS, muted, [])
    assert signal.value == pytest.approx(0.4)
    assert signal.muted == "few labels"
