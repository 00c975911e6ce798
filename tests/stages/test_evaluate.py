from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import BadInputError, RefusedError
from pipeline.stages.evaluate import compute_metrics, decide

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
    }


def test_regression_metrics_are_those_of_the_textbook() -> None:
    metrics = compute_metrics("regression", pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 2.0, 5.0]))
    assert metrics == {
        "rows": 3.0,
        "rmse": pytest.approx(math.sqrt(5 / 3)),
        "mae": pytest.approx(1.0),
        "bias": pytest.approx(1.0),
        "r2": pytest.approx(1 - 5 / 2),
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


def test_without_a_champion_the_challenger_is_promoted() -> None:
    decision = decide("binary", None, compute_metrics("binary", LABELS, SCORES), margin=0.0)
    assert decision.promote
    assert decision.why.startswith("there is no champion yet; the challenger's log_loss is 0.")


@pytest.mark.parametrize(
    ("challenger", "margin", "promote"),
    [
        (0.50, 0.0, True),
        (0.51, 0.0, True),
        (0.52, 0.0, False),
        (0.52, 0.02, True),
        (0.54, 0.02, False),
    ],
)
def test_a_challenger_is_promoted_if_it_is_not_worse_than_the_margin(
    challenger: float, margin: float, promote: bool
) -> None:
    measured = {"rows": 4.0, "positive_share": 0.5}
    decision = decide("binary", {**measured, "log_loss": 0.51}, {**measured, "log_loss": challenger}, margin)
    assert decision.promote is promote
    assert f"log_loss of the challenger is {challenger:.6f}, of the champion 0.510000" in decision.why


def test_a_regression_is_decided_by_its_error() -> None:
    good = compute_metrics("regression", pd.Series([1.0, 2.0]), pd.Series([1.0, 2.1]))
    bad = compute_metrics("regression", pd.Series([1.0, 2.0]), pd.Series([1.0, 2.5]))
    assert decide("regression", bad, good, 0.0).promote
    assert not decide("regression", good, bad, 0.0).promote


def test_metrics_of_other_rows_are_not_compared() -> None:
    champion = compute_metrics("binary", LABELS, SCORES)
    challenger = compute_metrics("binary", LABELS[1:], SCORES[1:])
    with pytest.raises(RefusedError, match="not measured on the same rows"):
        decide("binary", champion, challenger, 0.0)
