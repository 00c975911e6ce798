"""A night against its labels: metrics, segments, calibration, and what of it is beyond what is usual."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from pipeline.job import PromotionGate
from pipeline.monitoring import Graded, Signal
from pipeline.stages.evaluate import compute_metrics
from pipeline.stages.monitor.outcomes import CALIBRATION, FEW_ROWS, PRIMARY, SEGMENTS, judge_outcomes, measure_outcomes
from pipeline.stages.monitor.unusual import describe_waiting
from tests.stages.monitor.graded_nights import ROWS, draw_rows, grade_rows, make_grading, make_segments
from tests.stages.parcel_job import PARCELS, PRICES

TRAINING = PARCELS.training.model_copy(update={"gate": PromotionGate(min_segment=100)})
JOB = PARCELS.model_copy(update={"segments": ("depot",), "training": TRAINING})


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(20240101)


def judge(tonight: Graded, past: list[Graded]) -> dict[str, Signal]:
    return {signal.name: signal for signal in judge_outcomes(JOB, tonight, past)}


def grade_series(chance: np.random.Generator, nights: int, **segments: float) -> list[Graded]:
    """Nights whose log loss is about 0.5, and whose segments' are about what is given."""
    past: list[Graded] = []
    for number in range(nights):
        jitter = chance.normal(0, 0.02, len(segments) + 1)
        named = dict(zip(segments, jitter[1:] + np.array(list(segments.values())), strict=True))
        metrics = {"log_loss": 0.5 + jitter[0], "calibration_error": 0.02}
        night = make_grading(number, metrics=metrics, segments=make_segments(**named))
        past.append(night.model_copy(update={"signals": judge_outcomes(JOB, night, past)}))
    return past


def test_metrics_overall_and_by_segment_are_those_of_an_evaluation(chance: np.random.Generator) -> None:
    labels, scores = draw_rows(chance)
    depots = pd.DataFrame({"depot": ["east"] * 300 + ["west"] * (ROWS - 350) + [None] * 50})
    measured = measure_outcomes(JOB, labels, scores, depots, None)
    assert measured.metrics == compute_metrics("binary", labels, scores)
    none, east, west = measured.segments
    assert (east.segment, east.rows) == ("depot=east", 300)
    assert east.metrics == compute_metrics("binary", labels[:300], scores[:300])
    assert west.rows == ROWS - 350
    assert (none.segment, none.rows, none.metrics) == ("depot=(none)", 50, {})  # fewer than 100


def test_the_business_cost_is_the_mean_of_the_job_s_own(chance: np.random.Generator) -> None:
    labels, scores = draw_rows(chance)
    measured = measure_outcomes(PARCELS, labels, scores, pd.DataFrame(index=labels.index), lambda y, s: 2 * y + s)
    assert measured.metrics["business_cost"] == pytest.approx(2 * labels.mean() + scores.mean())


def test_calibration_has_ten_bins_of_as_many_rows(chance: np.random.Generator) -> None:
    labels, scores = draw_rows(chance, rows=1003)
    bins = measure_outcomes(PARCELS, labels, scores, pd.DataFrame(index=labels.index), None).calibration
    assert (len(bins), sum(each.rows for each in bins)) == (10, 1003)
    assert {each.rows for each in bins} == {100, 101}
    assert all(earlier.upper <= later.lower for earlier, later in pairwise(bins))
    assert sum(each.rows * each.mean_label for each in bins) == pytest.approx(labels.sum())
    assert sum(each.rows * each.squared_error for each in bins) == pytest.approx(np.square(labels - scores).sum())


def test_a_night_of_one_outcome_is_kept_and_says_why_it_is_not_judged(chance: np.random.Generator) -> None:
    _, scores = draw_rows(chance)
    measured = measure_outcomes(PARCELS, pd.Series(np.zeros(ROWS)), scores, pd.DataFrame(index=scores.index), None)
    assert (measured.metrics, measured.segments) == ({}, ())
    signals = judge_outcomes(PARCELS, make_grading(40), grade_series(chance, 40), measured.problem)
    assert {(signal.value, signal.breached) for signal in signals} == {(None, False)}
    assert all("both outcomes" in str(signal.muted) for signal in signals)


def test_a_night_whose_scores_are_turned_round_is_beyond_both_limits(chance: np.random.Generator) -> None:
    past: list[Graded] = []
    for number in range(30):
        past.append(grade_rows(number, *draw_rows(chance), past))
    labels, scores = draw_rows(chance)
    bad = {signal.name: signal for signal in grade_rows(30, 1 - labels, scores, past).signals}
    assert bad[PRIMARY].breached
    assert bad[CALIBRATION].breached
    assert bad[PRIMARY].nights == 28
    fine = {signal.name: signal for signal in grade_rows(30, labels, scores, past).signals}
    assert not fine[PRIMARY].breached


def test_a_regression_is_judged_by_its_rmse(chance: np.random.Generator) -> None:
    past: list[Graded] = []
    for number in range(31):
        truth = pd.Series(chance.normal(20, 5, 200))
        error = 1.0 if number < 30 else 3.0
        past.append(grade_rows(number, truth, truth + chance.normal(0, error, 200), past, PRICES))
    assert [night.signals[0].breached for night in past[-2:]] == [False, True]
    assert past[-1].signals[0].unit == ""


def test_few_nights_alarm_nobody_and_say_of_none_that_it_is_within_its_limit(chance: np.random.Generator) -> None:
    watched, metrics = PARCELS.monitoring, {"log_loss": 9.0, "calibration_error": 0.9}
    past = grade_series(chance, watched.minimum + watched.n - 2, east=0.5)
    signals = judge(make_grading(30, metrics=metrics, segments=make_segments(east=9.0)), past)
    assert not any(signal.breached for signal in signals.values())
    assert {signal.muted for signal in signals.values()} == {describe_waiting(watched.minimum - 1, watched)}
    later = judge(make_grading(31, metrics=metrics), grade_series(chance, watched.minimum + watched.n - 1))
    assert (later[PRIMARY].muted, later[PRIMARY].breached) == (None, True)


def test_segments_that_were_never_large_enough_are_not_judged(chance: np.random.Generator) -> None:
    signal = judge(make_grading(30, metrics={"log_loss": 0.5}), grade_series(chance, 30))[SEGMENTS]
    assert (signal.value, signal.muted) == (None, FEW_ROWS)


def test_one_segment_may_be_bad_while_the_whole_is_usual(chance: np.random.Generator) -> None:
    past = grade_series(chance, 40, east=0.4, west=0.8)
    usual = {"log_loss": 0.5, "calibration_error": 0.02}
    bad = judge(make_grading(40, metrics=usual, segments=make_segments(east=0.7, west=0.8)), past)
    assert not bad[PRIMARY].breached
    assert bad[SEGMENTS].breached
    assert [part.name for part in bad[SEGMENTS].worst] == ["east", "west"]
    # West is bad every night, and east is not as bad as west even now.
    fine = judge(make_grading(40, metrics=usual, segments=make_segments(east=0.4, west=0.8)), past)
    assert not fine[SEGMENTS].breached


def test_many_segments_alarm_no_oftener_than_one(chance: np.random.Generator) -> None:
    """The stated rate is that of the largest over segments: twenty limits of their own would be left every night."""
    segments = {f"s{number}": 0.5 for number in range(20)}
    nights = grade_series(chance, 150, **segments)
    counted = [signal.breached for night in nights[25:] for signal in night.signals if signal.name == SEGMENTS]
    assert np.mean(counted) < 0.12


def test_a_new_segment_and_one_that_is_missing_are_passed_over(chance: np.random.Generator) -> None:
    past = grade_series(chance, 30, east=0.5, west=0.5)
    metrics = {"log_loss": 0.5, "calibration_error": 0.02}
    tonight = judge(make_grading(30, metrics=metrics, segments=make_segments(east=0.5, north=9.0)), past)
    assert [part.name for part in tonight[SEGMENTS].worst] == ["east"]


def test_far_fewer_labels_than_usual_are_said_and_not_judged(chance: np.random.Generator) -> None:
    past = grade_series(chance, 30)
    metrics = {"log_loss": 9.0, "calibration_error": 0.9}
    muted = judge(make_grading(30, metrics=metrics, labelled=400), past)[PRIMARY]
    assert (muted.value, muted.breached) == (9.0, False)
    assert muted.muted == "labels of 40.0% of the predictions are known, where 100.0% are usual"
    assert judge(make_grading(30, metrics=metrics, labelled=600), past)[PRIMARY].breached


def test_a_night_that_did_not_count_is_no_part_of_what_is_usual(chance: np.random.Generator) -> None:
    past = grade_series(chance, 30)
    metrics = {"log_loss": 9.0, "calibration_error": 0.9}
    partial = make_grading(30, metrics=metrics, labelled=100)
    partial = partial.model_copy(update={"signals": judge_outcomes(JOB, partial, past)})
    assert judge(make_grading(31, metrics=metrics), [*past, partial])[PRIMARY].nights == 28


def test_a_drop_that_lasts_stays_beyond_the_limit(chance: np.random.Generator) -> None:
    """Were its nights among those that limits are learnt from, it would be usual after the fourth."""
    past = grade_series(chance, 60)
    for number in range(60, 90):
        night = make_grading(number, metrics={"log_loss": 0.8, "calibration_error": 0.02})
        past.append(night.model_copy(update={"signals": judge_outcomes(JOB, night, past)}))
    assert all(night.signals[0].breached for night in past[60:])
