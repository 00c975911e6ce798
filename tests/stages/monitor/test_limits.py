"""Limits keep the rate of false alarms that was asked for, whatever is measured."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.stages.monitor.limits import fewest_nights, learn_band, learn_upper, measure_spread

CHANCE = {
    "normal": lambda chance, size: chance.normal(size=size),
    "skewed": lambda chance, size: chance.lognormal(sigma=1.5, size=size),
    "of few values": lambda chance, size: chance.poisson(0.3, size=size).astype(float),
}


@pytest.mark.parametrize("kind", CHANCE)
@pytest.mark.parametrize("nights", [30, 90])
def test_an_ordinary_night_is_beyond_the_limit_no_more_often_than_stated(kind: str, nights: int) -> None:
    chance = np.random.default_rng(20130101)
    samples = CHANCE[kind](chance, (3000, nights + 1))
    for rate in (0.05, 0.1):
        uppers = [learn_upper(sample[:-1].tolist(), rate) for sample in samples]
        beyond = np.mean(
            [sample[-1] > upper for sample, upper in zip(samples, uppers, strict=True) if upper is not None]
        )
        assert beyond <= rate + 0.015


@pytest.mark.parametrize("kind", CHANCE)
def test_a_band_is_left_about_as_often_as_stated(kind: str) -> None:
    chance = np.random.default_rng(20130102)
    samples = CHANCE[kind](chance, (2000, 91))
    bands = [learn_band(sample[:-1].tolist(), 0.05) for sample in samples]
    left = np.mean([not band.holds(sample[-1]) for sample, band in zip(samples, bands, strict=True) if band])
    # The centre is learnt from the same nights, which costs a little.
    assert left <= 0.07


def test_too_few_nights_have_no_limit() -> None:
    assert fewest_nights(0.05) == 19
    assert learn_upper([1.0] * 18, 0.05) is None
    assert learn_upper([1.0] * 19, 0.05) == 1.0
    assert learn_band([1.0] * 18, 0.05) is None


def test_what_never_changed_may_not_change() -> None:
    band = learn_band([3.0] * 30, 0.05)
    assert band is not None
    assert band.holds(3.0)
    assert not band.holds(3.0001)


def test_a_jump_on_many_nights_is_usual() -> None:
    """Two nights in thirty that differ are more than one in twenty."""
    band = learn_band([0.0] * 28 + [5.0] * 2, 0.05)
    assert band is not None
    assert band.holds(5.0)
    assert not band.holds(6.0)


def test_weekends_are_part_of_the_spread() -> None:
    weekly = [0.0] * 5 + [10.0] * 2
    assert measure_spread(np.array(weekly * 4)) > 5
