"""What lasts does not become usual while its alarm stands."""

from __future__ import annotations

import pytest

from pipeline.job import Monitoring
from pipeline.stages.monitor.usual import judge_high, leave_out_episode

WATCHED = Monitoring(history=20, minimum=10, k=2, n=3)
CALM = "." * 12


@pytest.mark.parametrize(
    ("nights", "left"),
    [
        (CALM, 10),  # but for those that tonight is judged along with
        (CALM + "!", 11),  # a single breach is no alarm
        (CALM + "!!", 12),
        (CALM + "!.!", 12),  # from its first breach on
        (CALM + "!!" + "." * 2, 12),  # not resolved yet
        (CALM + "!!" + "." * 3, 15),  # resolved: it counts as any other night
        (CALM + "!!" + "..!..!", 12),
        (CALM + "!" * 15, 5),  # of the newest 20 nights
        (CALM + "!" * 20, 0),
    ],
)
def test_nights_of_the_alarm_that_stands_are_left_out(nights: str, left: int) -> None:
    usual = leave_out_episode(nights, [night == "!" for night in nights], WATCHED)
    assert len(usual) == left


def test_only_the_newest_nights_are_usual() -> None:
    nights = list(range(30))
    assert leave_out_episode(nights, [False] * 30, WATCHED) == nights[10:28]
    assert leave_out_episode(nights, [False] * 25 + [True] * 5, WATCHED) == nights[10:25]


def test_too_few_nights_have_no_limit() -> None:
    signal = judge_high("accuracy.primary", 99.0, [1.0] * 9, WATCHED)
    assert (signal.upper, signal.breached, signal.nights) == (None, False, 9)


def test_only_what_is_above_the_limit_is_beyond_it() -> None:
    usual = [float(value) for value in range(20)]
    assert [judge_high("accuracy.primary", value, usual, WATCHED).breached for value in (-5.0, 19.0, 19.1)] == [
        False,
        False,
        True,
    ]
