"""Estimates come true where outcomes follow the scores, and are known to be wrong where they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from pipeline.monitoring import Estimate, Graded, Observed
from pipeline.stages.evaluate import compute_metrics
from pipeline.stages.monitor.estimate import (
    count_scores,
    estimate_metrics,
    find_known,
    judge_estimate,
    object_to_estimates,
)
from pipeline.stages.monitor.outcomes import measure_outcomes
from tests.monitoring_records import make_observed, name_night
from tests.stages.monitor.graded_nights import draw_rows, make_grading
from tests.stages.parcel_job import PARCELS, PRICES

METRICS = ("positive_share", "auc", "log_loss", "brier", "business_cost")


def cost_of_warnings(labels: pd.Series, scores: pd.Series) -> pd.Series:
    """1 for a warning of nothing, 3 for none of something."""
    warned = scores >= 0.25
    return (warned & (labels == 0)) * 1.0 + (~warned & (labels == 1)) * 3.0


@pytest.fixture
def chance() -> np.random.Generator:
    return np.random.default_rng(20240102)


def learn(rows: Sequence[tuple[pd.Series, pd.Series]]) -> list[Graded]:
    """Graded nights of these labels and scores, for their bins alone."""
    return [
        make_grading(
            number,
            calibration=measure_outcomes(PARCELS, *night, pd.DataFrame(index=night[0].index), None).calibration,
        )
        for number, night in enumerate(rows)
    ]


def estimate(scores: pd.Series, past: Sequence[Graded]) -> dict[str, float]:
    calibration = [each for night in past for each in night.calibration]
    return estimate_metrics("binary", count_scores([scores.to_numpy()]), calibration, cost_of_warnings)


@pytest.mark.parametrize("boldness", [1.0, 1.8, 0.5], ids=["calibrated", "too bold", "too timid"])
@pytest.mark.parametrize("spread", [1.0, 1.6], ids=["as learnt", "another night than any learnt"])
def test_it_converges_to_the_truth(chance: np.random.Generator, boldness: float, spread: float) -> None:
    """Calibrated or not: what a score is worth is learnt.  Sixty thousand rows learn it, and more tell the truth."""
    past = learn([draw_rows(chance, boldness=boldness) for _ in range(60)])
    labels, scores = draw_rows(chance, boldness=boldness, spread=spread, rows=200_000)
    truth = compute_metrics("binary", labels, scores, cost_of_warnings)
    estimated = estimate(scores, past)
    assert set(estimated) == set(METRICS)
    for name in METRICS:
        assert estimated[name] == pytest.approx(truth[name], rel=0.03), name


def test_by_night_it_beats_the_mean_of_the_past_where_nights_differ(chance: np.random.Generator) -> None:
    past = learn([draw_rows(chance) for _ in range(60)])
    nights = [draw_rows(chance, spread=spread) for spread in chance.uniform(0.5, 2.0, 40)]
    realised = np.array([compute_metrics("binary", *night)["log_loss"] for night in nights])
    estimated = np.array([estimate(scores, past)["log_loss"] for _, scores in nights])
    assert np.abs(realised - estimated).mean() < 0.4 * np.abs(realised - realised.mean()).mean()


def test_it_is_blind_to_outcomes_that_follow_the_scores_no_more(chance: np.random.Generator) -> None:
    past = learn([draw_rows(chance) for _ in range(60)])
    labels, scores = draw_rows(chance, shift=1.5, rows=50_000)
    realised = compute_metrics("binary", labels, scores)["log_loss"]
    assert realised - estimate(scores, past)["log_loss"] > 0.1


def test_the_errors_of_a_regression_are_those_of_scores_as_high(chance: np.random.Generator) -> None:
    """Errors grow with the level: a night of high values has larger ones."""

    def draw(low: float, high: float, rows: int) -> tuple[pd.Series, pd.Series]:
        scores = chance.uniform(low, high, rows)
        return pd.Series(scores + chance.normal(0, 0.1 * scores)), pd.Series(scores)

    past = [draw(0, 50, 500) for _ in range(40)]
    calibration = [
        each
        for night in past
        for each in measure_outcomes(PRICES, *night, pd.DataFrame(index=night[0].index), None).calibration
    ]
    for low, high in ((0, 50), (30, 50)):
        labels, scores = draw(low, high, 50_000)
        estimated = estimate_metrics("regression", count_scores([scores.to_numpy()]), calibration, None)
        truth = compute_metrics("regression", labels, scores)
        assert set(estimated) == {"rmse", "mae"}
        for name, value in estimated.items():
            assert value == pytest.approx(truth[name], rel=0.06)


def test_scores_are_counted_over_shards() -> None:
    counts = count_scores([np.array([0.2, 0.1, 0.2]), np.array([]), np.array([0.2, 0.9])])
    assert (counts.scores.tolist(), counts.rows.tolist()) == ([0.1, 0.2, 0.9], [1, 3, 1])


def test_the_expected_auc_of_few_rows_is_the_mean_over_their_outcomes() -> None:
    """Against drawing outcomes again and again, ties among the scores."""
    chance = np.random.default_rng(3)
    scores = np.repeat([0.1, 0.3, 0.6, 0.8], 15)
    past = learn([(pd.Series((chance.random(60) < scores).astype(float)), pd.Series(scores)) for _ in range(400)])
    drawn = [(pd.Series((chance.random(60) < scores).astype(float)), pd.Series(scores)) for _ in range(600)]
    mean = np.mean([compute_metrics("binary", *night)["auc"] for night in drawn])
    assert estimate(pd.Series(scores), past)["auc"] == pytest.approx(mean, abs=0.015)


def test_an_outcome_that_never_occurred_is_hardly_expected(chance: np.random.Generator) -> None:
    _, scores = draw_rows(chance)
    estimated = estimate(scores, learn([(pd.Series(np.zeros(len(scores))), scores)] * 30))
    assert estimated["positive_share"] < 0.001
    assert all(np.isfinite(value) for value in estimated.values())


def test_a_night_knows_of_those_whose_labels_had_closed() -> None:
    assert find_known(PARCELS, "2024-03-01") == "2024-02-29"
    late = PARCELS.model_copy(update={"label": PARCELS.label.model_copy(update={"closes_after": 7})})
    assert find_known(late, "2024-03-01") == "2024-02-23"


def make_trials(chance: np.random.Generator, nights: int, off: Callable[[int], float]) -> list[Graded]:
    """Nights whose log loss goes up and down, and whose estimate is ``off`` by so much."""
    realised = chance.normal(0.5, 0.1, nights)
    return [
        make_grading(
            number, metrics={"log_loss": loss}, estimated={"log_loss": loss + chance.normal(0, 0.01) + off(number)}
        )
        for number, loss in enumerate(realised.tolist())
    ]


def test_an_estimator_that_was_right_is_believed(chance: np.random.Generator) -> None:
    # Ten samples, since of each one in a hundred may be beyond its limit on two of three nights.
    believed = [object_to_estimates(PARCELS, make_trials(chance, 60, lambda _: 0.0)) is None for _ in range(10)]
    assert sum(believed) >= 8


def test_an_estimator_without_a_record_is_not_believed_yet(chance: np.random.Generator) -> None:
    nights = make_trials(chance, 15, lambda _: 0.0)
    assert object_to_estimates(PARCELS, nights) == "estimates were held against labels on 14 nights; 21 are needed"


def test_an_estimator_that_is_no_better_than_the_mean_of_the_past_is_muted(chance: np.random.Generator) -> None:
    nights = make_trials(chance, 60, lambda number: 0.3 * (-1) ** number)
    assert "the mean of the nights before is off by 0.0" in str(object_to_estimates(PARCELS, nights))


def test_an_estimator_that_is_wrong_of_late_is_muted(chance: np.random.Generator) -> None:
    nights = make_trials(chance, 60, lambda number: 0.2 if number >= 58 else 0.0)
    assert "of the newest 3 nights that have labels" in str(object_to_estimates(PARCELS, nights))


def observe(number: int, loss: float | None) -> Observed:
    estimated = None if loss is None else Estimate(metrics={"log_loss": loss})
    return make_observed(name_night(number), judge_estimate(PARCELS, estimated, []), estimate=estimated)


def test_an_estimate_is_held_against_those_of_the_nights_before(chance: np.random.Generator) -> None:
    past = [observe(number, loss) for number, loss in enumerate([None, *chance.normal(0.5, 0.02, 30).tolist()])]
    beyond, usual = (judge_estimate(PARCELS, Estimate(metrics={"log_loss": loss}), past) for loss in (0.7, 0.5))
    assert (beyond.name, beyond.breached, beyond.nights) == ("accuracy.estimate", True, 30)
    assert not usual.breached


def test_a_muted_estimate_is_shown_and_does_not_alarm(chance: np.random.Generator) -> None:
    past = [observe(number, loss) for number, loss in enumerate(chance.normal(0.5, 0.02, 30).tolist())]
    signal = judge_estimate(PARCELS, Estimate(metrics={"log_loss": 0.7}, muted="it was wrong"), past)
    assert (signal.value, signal.breached, signal.muted) == (0.7, False, "it was wrong")


def test_without_an_estimate_the_signal_says_why() -> None:
    signal = judge_estimate(PARCELS, None, [])
    assert (signal.value, signal.muted) == (None, "fewer than 21 graded nights")
