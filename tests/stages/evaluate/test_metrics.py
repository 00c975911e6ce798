from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import BadInputError
from pipeline.stages.evaluate.metrics import PRIMARY_METRIC, compute_metrics, compute_row_losses, to_metric

LABELS = pd.Series([0, 0, 1, 1])
SCORES = pd.Series([0.1, 0.4, 0.35, 0.8])


def test_binary_metrics_are_those_of_the_textbook() -> None:
    metrics = compute_metrics("binary", LABELS, SCORES)
    assert metrics == {
        "rows": 4.0,
        "positive_share": 0.5,
        "auc": 0.75,
        "log_loss": pytest.approx(-(math.log(0.9) + math.log(0.6) + math.log(0.35) + math.log(0.8)) / 4),
        "brier": pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4),
        "calibration": pytest.approx(0.4125 - 0.5),
        "calibration_error": pytest.approx((0.1 + 0.65 + 0.4 + 0.2) / 4),
    }


def test_regression_metrics_are_those_of_the_textbook() -> None:
    metrics = compute_metrics("regression", pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 2.0, 5.0]))
    assert metrics == {
        "rows": 3.0,
        "rmse": pytest.approx(math.sqrt(5 / 3)),
        "mae": pytest.approx(1.0),
        "bias": pytest.approx(1.0),
        "r2": pytest.approx(1 - 5 / 2),
        "calibration_error": pytest.approx(1.0),
    }


def test_a_sure_and_wrong_score_costs_much_but_not_infinitely_much() -> None:
    assert math.isfinite(compute_metrics("binary", LABELS, pd.Series([1.0, 0.0, 1.0, 1.0]))["log_loss"])


def test_rows_are_matched_by_order_and_not_by_index() -> None:
    shuffled = SCORES.set_axis([3, 2, 1, 0])
    assert compute_metrics("binary", LABELS, shuffled) == compute_metrics("binary", LABELS, SCORES)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([], []),
        ([0, 1], [0.5]),
        ([0, np.nan], [0.5, 0.5]),
        ([0, 1], [0.5, np.nan]),
        ([1, 1], [0.5, 0.5]),
        ([1, 2], [0.5, 0.5]),
    ],
)
def test_what_cannot_be_measured_is_refused(labels: list[float], scores: list[float]) -> None:
    with pytest.raises(BadInputError):
        compute_metrics("binary", pd.Series(labels, dtype="float64"), pd.Series(scores, dtype="float64"))


def test_row_losses_add_up_to_the_primary_metric() -> None:
    chance = np.random.default_rng(0)
    labels, scores = pd.Series(chance.integers(0, 2, 500)), pd.Series(chance.uniform(0, 1, 500))
    for task in ("binary", "regression"):
        losses = compute_row_losses(task, labels, scores)
        metric = compute_metrics(task, labels, scores)[PRIMARY_METRIC[task]]
        assert float(to_metric(task, losses.mean())) == pytest.approx(metric)


def test_the_calibration_error_is_the_distance_that_scores_keep_from_what_happens() -> None:
    chance = np.random.default_rng(0)
    scores = pd.Series(chance.uniform(0.05, 0.75, 200_000))
    labels = pd.Series((chance.uniform(0, 1, len(scores)) < scores).astype(int))
    assert compute_metrics("binary", labels, scores)["calibration_error"] < 0.01
    assert compute_metrics("binary", labels, scores + 0.2)["calibration_error"] == pytest.approx(0.2, abs=0.01)
