"""Drift is told from ordinary nights as often as stated, from chance whatever the rows, and by the right feature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from pipeline.job.monitoring import Monitoring
from pipeline.monitoring import FeatureDrift, Observed
from pipeline.stages.monitor.bins import Counts
from pipeline.stages.monitor.drift import Drift, compare_inputs, mute_comparison, rank_features
from tests.monitoring_records import make_observed, name_night

FEATURES = [f"feature_{number}" for number in range(20)]
LIMITS = Monitoring(history=60)
_BINS = np.linspace(-1, 1, 15)


class Nights:
    """A job whose features change a little from night to night, all of them more on some nights than on others."""

    def __init__(self, seed: int, change: float = 0.2) -> None:
        self.chance = np.random.default_rng(seed)
        self.change = change
        self.reference = self.draw(20_000, np.zeros(len(FEATURES)))
        self.past: list[Observed] = []

    def draw(self, rows: int, slopes: np.ndarray) -> Counts:
        shares = np.exp(np.outer(slopes, _BINS))
        counts = [self.chance.multinomial(rows, share / share.sum()) for share in shares]
        return Counts(rows, {name: tuple(count.tolist()) for name, count in zip(FEATURES, counts, strict=True)})

    def draw_night(self, rows: int = 1000) -> Counts:
        slopes = self.chance.normal(size=len(FEATURES)) * self.change * self.chance.lognormal(0, 0.5)
        return self.draw(rows, slopes)

    def watch(self, tonight: Counts) -> Drift:
        return compare_inputs("reference", tonight, self.reference, self.past[-LIMITS.history :], LIMITS)

    def pass_by(self, nights: int) -> list[Drift]:
        seen = []
        for _ in range(nights):
            seen.append(self.watch(self.draw_night()))
            self.past.append(make_observed(name_night(len(self.past)), drift=seen[-1].features))
        return seen


@cache
def watch_ordinary(seed: int, change: float) -> tuple[Nights, list[Drift]]:
    nights = Nights(seed, change)
    return nights, nights.pass_by(120)


def names(drift: Sequence[FeatureDrift]) -> list[str]:
    return [item.feature for item in drift if item.breached]


@pytest.mark.parametrize("change", [0.0, 0.2])
def test_ordinary_nights_are_beyond_the_limit_no_more_often_than_stated(change: float) -> None:
    """Twenty features are looked at, and one night in twenty is beyond the limit, not one in two."""
    seen = [drift.signal for seed in (1, 2) for drift in watch_ordinary(seed, change)[1]]
    judged = [signal for signal in seen if signal.upper is not None]
    assert len(judged) == 2 * (120 - LIMITS.minimum)
    assert np.mean([signal.breached for signal in judged]) <= LIMITS.false_alarms + 0.02


@pytest.mark.parametrize("change", [0.0, 0.2])
@pytest.mark.parametrize("rows", [20, 50])
def test_a_small_batch_does_not_alarm_because_it_is_small(change: float, rows: int) -> None:
    nights, _ = watch_ordinary(1, change)
    seen = [nights.watch(nights.draw_night(rows)).signal for _ in range(20)]
    assert sum(signal.breached for signal in seen) <= 2
    beyond = [signal for signal in seen if (signal.value or 0) > (signal.upper or 0)]
    assert {signal.muted for signal in beyond if not signal.breached} == {f"chance gives as much of {rows} rows"}


@pytest.mark.parametrize("rows", [100, 1000])
def test_a_real_shift_of_one_feature_is_found(rows: int) -> None:
    nights, _ = watch_ordinary(1, 0.2)
    slopes = np.zeros(len(FEATURES))
    slopes[7] = 2.5
    found = nights.watch(nights.draw(rows, slopes))
    assert found.signal.breached
    assert found.signal.muted is None
    assert names(found.features) == ["feature_7"]
    assert found.signal.worst[0].name == "feature_7"
    assert found.signal.value == found.signal.worst[0].value == found.features[0].score
    assert len(found.signal.worst) == 5


def test_too_few_nights_have_no_limit() -> None:
    nights = Nights(3)
    last = nights.pass_by(LIMITS.minimum)[-1]
    assert (last.signal.value, last.signal.upper, last.signal.breached) == (None, None, False)
    assert last.signal.muted == "20 of the 21 nights that a limit is learnt from"
    assert all(item.score is None and not item.breached for item in last.features)
    assert nights.watch(nights.draw_night()).signal.upper is not None


def test_so_low_a_rate_takes_more_nights_than_the_minimum() -> None:
    nights, _ = watch_ordinary(1, 0.2)
    limits = LIMITS.model_copy(update={"false_alarms": 0.01})
    found = compare_inputs("reference", nights.draw_night(), nights.reference, nights.past[-60:], limits)
    assert found.signal.muted == "60 of the 99 nights that a limit is learnt from"


def test_a_feature_that_never_differed_may_differ_a_little() -> None:
    """Its spread is 0: a change is measured in what chance alone would give."""
    indices = [*np.linspace(0.01, 0.02, 29), 1.0]
    past = [
        make_observed(
            name_night(number),
            drift=tuple(
                FeatureDrift(feature=name, against="reference", psi=psi, jensen_shannon=0.0)
                for name, psi in (("steady", 0.0), ("varied", varied))
            ),
        )
        for number, varied in enumerate(indices)
    ]
    reference = Counts(20_000, {"steady": (10_000, 10_000), "varied": (10_000, 10_000)})
    for steady, is_drift in (((545, 455), False), ((1000, 0), True)):
        tonight = Counts(1000, {"steady": steady, "varied": (500, 500)})
        found = compare_inputs("reference", tonight, reference, past, LIMITS)
        assert found.features[0].feature == "steady"
        assert found.signal.breached == is_drift


def test_a_new_feature_is_not_judged_before_enough_nights_had_it() -> None:
    nights, _ = watch_ordinary(1, 0.2)
    tonight = nights.draw_night()
    added = Counts(tonight.rows, tonight.features | {"new": (1000, 0)})
    others = Counts(nights.reference.rows, nights.reference.features | {"new": (0, 20_000)})
    found = compare_inputs("reference", added, others, nights.past, LIMITS)
    assert next(item for item in found.features if item.feature == "new").score is None
    assert not found.signal.breached


def test_nights_are_compared_with_nights_of_the_same_comparison() -> None:
    nights, _ = watch_ordinary(1, 0.2)
    found = compare_inputs("weekday", nights.draw_night(), nights.reference, nights.past, LIMITS)
    assert found.signal.name == "inputs.weekday_drift"
    assert found.signal.muted == "0 of the 21 nights that a limit is learnt from"


def test_what_cannot_be_compared_says_why() -> None:
    assert mute_comparison("weekday", "no such night").signal.muted == "no such night"


def test_features_of_both_comparisons_are_ranked_together() -> None:
    one, other, third = (
        FeatureDrift(feature=name, against="reference", psi=psi, jensen_shannon=0.0, score=score, breached=breached)
        for name, psi, score, breached in (("a", 9.0, None, False), ("b", 0.1, 2.0, True), ("c", 0.1, 3.0, False))
    )
    assert [item.feature for item in rank_features([one, other, third])] == ["b", "c", "a"]
