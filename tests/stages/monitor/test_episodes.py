"""k of n nights raise an alarm, n good ones resolve it, and no night counts twice."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stages.monitor.episodes import Episode, Turn, find_standing, find_turn, list_unusual, read_breach
from tests.monitoring_records import make_signal

FIRST = date(2024, 3, 1)


def name_nights(flags: str) -> dict[str, bool | None]:
    """A night each: ``x`` beyond the limit, ``.`` within it, ``m`` muted."""
    days = [(FIRST + timedelta(days=age)).isoformat() for age in range(len(flags))]
    meaning = {"x": True, ".": False, "m": None}
    return {day: meaning[flag] for day, flag in zip(days, flags, strict=True)}


def turn_at_the_newest(flags: str, *, is_open: bool, k: int = 2, n: int = 3) -> Turn | None:
    nights = name_nights(flags)
    return find_turn(nights, max(nights), is_open=is_open, k=k, n=n)


@pytest.mark.parametrize("flags", ["xx", ".xx", "x.x", "..xx", "xxx", "xmx", "x.mmx"])
def test_two_of_three_nights_raise_it(flags: str) -> None:
    turn = turn_at_the_newest(flags, is_open=False)
    assert turn is not None
    assert turn.kind == "raised"


@pytest.mark.parametrize("flags", ["x", ".x", "..x", "x..x", "mmx", "...", "."])
def test_fewer_do_not(flags: str) -> None:
    assert turn_at_the_newest(flags, is_open=False) is None


def test_it_is_of_the_newest_night_beyond_and_since_the_first() -> None:
    assert turn_at_the_newest("x.x", is_open=False) == Turn("raised", "2024-03-03", "2024-03-01")
    assert turn_at_the_newest("xx.", is_open=False) == Turn("raised", "2024-03-02", "2024-03-01")


def test_three_nights_within_resolve_it() -> None:
    assert turn_at_the_newest("xx...", is_open=True) == Turn("resolved", "2024-03-05", None)
    assert turn_at_the_newest("xx..m.", is_open=True) == Turn("resolved", "2024-03-06", None)


@pytest.mark.parametrize("flags", ["xx", "xx.", "xx..", "xx..x", "xx..mm", "x.x", ".."])
def test_before_that_it_stays_open(flags: str) -> None:
    assert turn_at_the_newest(flags, is_open=True) is None


def test_an_older_partition_decides_nothing() -> None:
    nights = name_nights("x.xx")
    assert find_turn(nights, "2024-03-01", is_open=False, k=2, n=3) is None
    assert find_turn(name_nights("xx..."), "2024-03-01", is_open=True, k=2, n=3) is None
    assert find_turn(name_nights("xxmmm"), "2024-03-02", is_open=False, k=2, n=3) is None


def test_one_that_is_still_among_the_newest_is_counted_in_its_place() -> None:
    assert find_turn(name_nights(".xx"), "2024-03-02", is_open=False, k=2, n=3) == Turn(
        "raised", "2024-03-03", "2024-03-02"
    )
    assert find_turn(name_nights("x..."), "2024-03-02", is_open=True, k=2, n=3) == Turn("resolved", "2024-03-04", None)


def test_a_muted_night_decides_nothing() -> None:
    assert find_turn(name_nights("xxm"), "2024-03-03", is_open=False, k=2, n=3) is None
    assert find_turn(name_nights("...m"), "2024-03-04", is_open=True, k=2, n=3) is None


def test_three_nights_on_which_it_was_not_judged_resolve_it() -> None:
    unjudged = Turn("resolved", "2024-03-05", None, judged=False)
    assert turn_at_the_newest("xxmmm", is_open=True) == unjudged
    assert turn_at_the_newest("xxmm", is_open=True) is None
    assert turn_at_the_newest("mm", is_open=True) is None
    assert find_turn(name_nights("xxmmm"), "2024-03-04", is_open=True, k=2, n=3) == unjudged
    assert find_turn(name_nights("xxmmm"), "2024-03-02", is_open=True, k=2, n=3) is None
    assert turn_at_the_newest("xxmmm", is_open=False) is None


@pytest.mark.parametrize("flags", ["xxmmm.", "xxmmmx", "xmmmx", "xxmmmm."])
def test_what_was_before_them_does_not_raise_it_again(flags: str) -> None:
    assert turn_at_the_newest(flags, is_open=False) is None


def test_what_comes_after_them_does() -> None:
    assert turn_at_the_newest("xxmmmxx", is_open=False) == Turn("raised", "2024-03-07", "2024-03-06")


@pytest.mark.parametrize(
    ("flags", "since"),
    [
        ("..x.", None),
        ("..xx", "2024-03-03"),
        ("..x.x..", "2024-03-03"),
        ("..xx...", None),
        ("..xx.mm..", None),  # three nights within its limit, two nights apart
        ("..xx.mm.m", "2024-03-03"),
        ("..xxmm", "2024-03-03"),
        ("..xxmmm", None),  # nobody has judged it for three nights
        ("..xxmmmx", None),  # and what was before is forgotten
        ("..xxmmmxx", "2024-03-08"),
        ("..xmmx", "2024-03-03"),
        ("..xmmmx", None),
    ],
)
def test_the_alarm_that_stands_is_told_from_the_nights_alone(flags: str, since: str | None) -> None:
    assert find_standing(name_nights(flags), k=2, n=3) == since


def test_a_night_that_is_muted_or_lacks_the_signal_is_not_judged() -> None:
    signals = (make_signal("x"), make_signal("."), make_signal("m"), None)
    assert [read_breach(signal) for signal in signals] == [True, False, None, None]


@st.composite
def draw_rules(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 6))
    return draw(st.integers(1, n)), n


@given(st.text("x.m", min_size=1, max_size=40), draw_rules())
def test_night_after_night_it_agrees_with_counting_by_hand(flags: str, rules: tuple[int, int]) -> None:
    k, n = rules
    nights = name_nights(flags)
    is_open, seen, missed = False, list[bool | None](), 0
    for age, partition in enumerate(sorted(nights), start=1):
        known = {night: nights[night] for night in sorted(nights)[:age]}
        turn = find_turn(known, partition, is_open=is_open, k=k, n=n)
        missed = missed + 1 if nights[partition] is None else 0
        if missed >= n:
            seen = []
            assert (turn is not None and not turn.judged) == is_open
            is_open = False
            continue
        if missed > 0:
            assert turn is None
            continue
        seen.append(nights[partition])
        if is_open:
            ends = len(seen) >= n and not any(seen[-n:])
            assert (turn is not None and turn.kind == "resolved") == ends
        else:
            begins = seen[-n:].count(True) >= k
            assert (turn is not None and turn.kind == "raised") == begins
        if turn is not None:
            is_open = turn.kind == "raised"
        assert (find_standing(known, k=k, n=n) is not None) == is_open
        assert find_turn(known, partition, is_open=is_open, k=k, n=n) is None


@given(st.text("x.m", min_size=1, max_size=20), st.booleans(), draw_rules())
def test_every_turn_is_undone_by_itself_only(flags: str, is_open: bool, rules: tuple[int, int]) -> None:
    """Judging any of the newest nights again after a turn changes nothing more."""
    k, n = rules
    nights = name_nights(flags)
    for partition in nights:
        turn = find_turn(nights, partition, is_open=is_open, k=k, n=n)
        if turn is not None:
            after = turn.kind == "raised"
            assert after is not is_open
            assert all(find_turn(nights, other, is_open=after, k=k, n=n) is None for other in nights)


BREACHES = {
    "2024-03-01": {"a"},
    "2024-03-02": {"a", "b"},
    "2024-03-03": set(),
    "2024-03-04": {"b"},
    "2024-03-05": {"a"},
}


def test_a_night_that_an_alarm_was_about_is_unusual_and_a_single_one_is_not() -> None:
    ended = Episode("a", "2024-03-01", "2024-03-04")
    assert list_unusual(BREACHES, [ended], minimum=21) == {"2024-03-01", "2024-03-02"}
    still_open = Episode("b", "2024-03-02", None)
    assert list_unusual(BREACHES, [still_open], minimum=21) == {"2024-03-02", "2024-03-04"}
    assert list_unusual(BREACHES, [], minimum=21) == set()


def test_what_has_lasted_is_usual() -> None:
    assert list_unusual(BREACHES, [Episode("a", "2024-03-01", None)], minimum=6) == {
        "2024-03-01",
        "2024-03-02",
        "2024-03-05",
    }
    assert list_unusual(BREACHES, [Episode("a", "2024-03-01", None)], minimum=5) == set()
