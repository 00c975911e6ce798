from __future__ import annotations

import pytest

from pipeline.stages.sustained import Drop, holds_often, is_dropped

USUAL = [float(number) for number in range(10)]
DROP = Drop(k=2, n=3, reference=10, quantile=0.8)


@pytest.mark.parametrize(
    ("newest", "dropped"),
    [([9.5, 0.0, 9.5], True), ([9.5, 0.0, 0.0], False), ([9.5, 9.5, 9.5], True), ([7.0, 7.0, 7.0], False)],
)
def test_a_drop_is_sustained_if_enough_of_the_newest_nights_were_bad(newest: list[float], dropped: bool) -> None:
    assert is_dropped([*USUAL, *newest], DROP) is dropped


def test_too_few_nights_tell_nothing() -> None:
    assert not is_dropped([*USUAL[1:], 99.0, 99.0, 99.0], DROP)


def test_what_is_long_past_is_not_what_is_usual() -> None:
    assert is_dropped([99.0] * 50 + USUAL + [9.5] * 3, DROP)


def test_only_the_newest_count() -> None:
    assert holds_often([True, True, False, True], k=2, n=3)
    assert not holds_often([True, True, False, False], k=2, n=3)
