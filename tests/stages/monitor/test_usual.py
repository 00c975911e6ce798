"""What lasts does not become usual while its alarm stands."""

from __future__ import annotations

import pytest

from pipeline.job import Monitoring
from pipeline.monitoring import Graded
from pipeline.stages.monitor.outcomes import PRIMARY
from pipeline.stages.monitor.usual import judge_high, list_usual
from tests.monitoring_records import make_signal
from tests.stages.monitor.graded_nights import make_grading

WATCHED = Monitoring(history=20, minimum=10, k=2, n=3)
CALM = "." * 12


def grade_nights(flags: str) -> list[Graded]:
    """A night each: ``x`` beyond the limit, ``.`` within it, ``m`` muted; a blank has no such signal."""
    return [
        make_grading(number, signals=() if flag == " " else (make_signal(flag, PRIMARY),))
        for number, flag in enumerate(flags)
    ]


@pytest.mark.parametrize(
    ("nights", "left"),
    [
        ("..", 0),
        (CALM, 10),  # but for those that tonight is judged along with
        (CALM + "x", 11),  # a single breach is no alarm
        (CALM + "xx", 12),
        (CALM + "x.x", 12),  # from its first breach on
        (CALM + "xx" + "." * 2, 12),  # not resolved yet
        (CALM + "xx" + "." * 3, 15),  # resolved: it counts as any other night
        (CALM + "xx" + "..x..x", 12),
        (CALM + "x" * 15, 5),  # of the newest 20 nights
        (CALM + "x" * 20, 0),
    ],
)
def test_nights_of_the_alarm_that_stands_are_left_out(nights: str, left: int) -> None:
    assert len(list_usual(PRIMARY, grade_nights(nights), WATCHED)) == left


@pytest.mark.parametrize("gap", ["mmm", "   ", "m m", "mmmm"])
def test_an_alarm_that_was_not_judged_for_long_enough_is_over(gap: str) -> None:
    """As it is for the log of alarms: its nights count like any others, and raise nothing with those to come."""
    assert len(list_usual(PRIMARY, grade_nights(CALM + "xx" + gap), WATCHED)) == 12
    assert len(list_usual(PRIMARY, grade_nights(CALM + "xx" + gap + ".."), WATCHED)) == 14
    assert len(list_usual(PRIMARY, grade_nights(CALM + "xx" + gap + "x."), WATCHED)) == 14


@pytest.mark.parametrize("gap", ["m", "mm", " m"])
def test_one_that_was_not_judged_for_a_night_or_two_stands(gap: str) -> None:
    assert len(list_usual(PRIMARY, grade_nights(CALM + "xx" + gap + ".."), WATCHED)) == 12
    assert len(list_usual(PRIMARY, grade_nights(CALM + "x" + gap + "x"), WATCHED)) == 12


def test_only_the_newest_nights_that_were_judged_are_usual() -> None:
    nights = grade_nights("." * 30)
    assert list_usual(PRIMARY, nights, WATCHED) == nights[10:28]
    assert list_usual(PRIMARY, grade_nights("." * 30 + "m"), WATCHED) == nights[10:28]
    nights = grade_nights("." * 25 + "x" * 5)
    assert list_usual(PRIMARY, nights, WATCHED) == nights[10:25]


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
