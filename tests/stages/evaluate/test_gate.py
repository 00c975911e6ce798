"""The promotion gate: one check at a time, on a comparison that passes all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.job import PromotionGate
from pipeline.stages.evaluate import Comparison, Interval, SegmentDifference, Verdict, judge_challenger

GATE = PromotionGate(margin=0.002, max_calibration_error=0.05, max_feature_power=0.9)
METRICS = {"log_loss": 0.5, "calibration_error": 0.02}
GOOD = Comparison(
    task="binary",
    challenger=METRICS,
    champion={**METRICS, "log_loss": 0.51},
    interval=Interval(-0.01, -0.012, -0.008, 7000),
    segments=[SegmentDifference("origin", "JFK", Interval(0.0, -0.01, 0.01, 2000))],
    feature_power={"hour": 0.65},
)


def judge(**changes: Any) -> Verdict:
    return judge_challenger(replace(GOOD, **changes), GATE)


def failed(verdict: Verdict) -> list[str]:
    assert verdict.promote is not any(not check.passed for check in verdict.checks)
    return [check.name for check in verdict.checks if not check.passed]


def test_a_better_challenger_is_promoted() -> None:
    verdict = judge()
    assert verdict.promote
    assert verdict.why.startswith("better than the champion: log_loss of the challenger is 0.50000")
    assert [check.name for check in verdict.checks] == ["overall", "segments", "calibration", "leakage"]


@pytest.mark.parametrize(
    ("low", "high", "promote"),
    [(-0.004, 0.002, True), (-0.004, 0.0021, False), (0.001, 0.0019, True), (0.1, 0.2, False)],
)
def test_the_upper_end_of_the_interval_is_held_against_the_margin(low: float, high: float, promote: bool) -> None:
    assert judge(interval=Interval((low + high) / 2, low, high, 7000)).promote is promote


def test_a_tie_keeps_the_champion() -> None:
    verdict = judge(is_same=True, interval=Interval(0.0, 0.0, 0.0, 7000))
    assert failed(verdict) == ["overall"]
    assert "a tie, which keeps the champion" in verdict.why


def test_one_segment_that_is_significantly_worse_is_enough() -> None:
    fine = SegmentDifference("carrier", "UA", Interval(0.01, -0.001, 0.02, 900))
    worse = SegmentDifference("carrier", "B6", Interval(0.03, 0.01, 0.05, 900))
    assert judge(segments=[fine]).promote
    verdict = judge(segments=[fine, worse])
    assert failed(verdict) == ["segments"]
    assert "1 of 2 segments" in verdict.why
    assert "B6" not in verdict.why


def test_what_is_not_calibrated_is_not_promoted_unless_the_champion_is_no_better() -> None:
    loose = {**METRICS, "calibration_error": 0.06}
    assert failed(judge(challenger=loose)) == ["calibration"]
    assert judge(challenger=loose, champion={**loose, "log_loss": 0.51}).promote
    assert judge_challenger(replace(GOOD, challenger=loose), PromotionGate(margin=0.002)).promote


def test_a_feature_that_is_too_good_is_a_leak() -> None:
    verdict = judge(feature_power={"arr_delay": 0.97, "hour": 0.65})
    assert failed(verdict) == ["leakage"]
    assert "arr_delay (0.970)" in verdict.why
    assert "hour" not in verdict.why


def test_the_first_model_is_judged_by_itself() -> None:
    first: dict[str, Any] = {"champion": None, "interval": None, "segments": []}
    assert judge(**first).promote
    assert failed(judge(**first, feature_power={"leak": 1.0})) == ["leakage"]
    assert failed(judge(**first, challenger={**METRICS, "calibration_error": 0.2})) == ["calibration"]


def test_every_reason_is_given() -> None:
    verdict = judge(interval=Interval(0.1, 0.09, 0.11, 7000), feature_power={"leak": 1.0})
    assert failed(verdict) == ["overall", "leakage"]
    assert "; leakage: " in verdict.why
