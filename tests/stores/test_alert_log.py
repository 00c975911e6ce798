"""Of several who want to tell the same, one does; what nobody took is told later."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.errors import DamagedError
from pipeline.stores.alert_log import CLAIMED_FOR, AlertLog
from pipeline.stores.lake import Lake
from tests.alerts.samples import make_alert
from tests.clock import Clock

ALERT = make_alert()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> AlertLog:
    return AlertLog(Lake(str(tmp_path)), ALERT.job, clock)


def test_an_alert_is_written_down_once(log: AlertLog) -> None:
    assert log.put(ALERT)
    assert not log.put(make_alert(problem="another word for it"))
    assert log.list_ids() == [ALERT.id]
    assert log.read(ALERT.id) == ALERT


def test_what_is_settled_is_not_told_again(log: AlertLog) -> None:
    log.put(ALERT)
    assert log.claim(ALERT, "mail")
    log.settle(ALERT, "mail", "told")
    assert not log.claim(ALERT, "mail")
    assert log.claim(ALERT, "webhook")


def test_what_a_channel_did_not_take_is_told_later(log: AlertLog) -> None:
    log.put(ALERT)
    for _ in range(3):
        claim = log.claim(ALERT, "mail")
        assert claim is not None
        assert not log.claim(ALERT, "mail")
        log.give_up(ALERT, "mail", claim)
        assert log.list_untold(["mail"]) == [ALERT.id]


def test_what_is_tried_for_a_week_leaves_one_claim_and_none_when_it_is_settled(log: AlertLog, tmp_path: Path) -> None:
    for _ in range(5):
        claim = log.claim(ALERT, "mail")
        assert claim is not None
        log.give_up(ALERT, "mail", claim)
    assert len(list_claims(tmp_path)) == 1
    log.claim(ALERT, "mail")
    log.settle(ALERT, "mail", "told")
    assert list_claims(tmp_path) == []


@pytest.mark.parametrize("ended", ["given up", "too old"])
def test_of_many_at_once_one_tells(log: AlertLog, clock: Clock, ended: str) -> None:
    for _ in range(10):
        with ThreadPoolExecutor(8) as pool:
            claims = [claim for claim in pool.map(lambda _: log.claim(ALERT, "mail"), range(16)) if claim is not None]
        assert len(claims) == 1
        if ended == "given up":
            log.give_up(ALERT, "mail", claims[0])
        else:
            clock.advance(seconds=CLAIMED_FOR.total_seconds())


def test_who_died_while_telling_leaves_it_to_others(log: AlertLog, clock: Clock) -> None:
    assert log.claim(ALERT, "mail")
    clock.advance(seconds=CLAIMED_FOR.total_seconds() - 1)
    assert not log.claim(ALERT, "mail")
    clock.advance(seconds=1)
    assert log.claim(ALERT, "mail")
    assert not log.claim(ALERT, "mail")


def interrupt(tmp_path: Path, clock: Clock, meanwhile: Callable[[], object]) -> AlertLog:
    """A log of somebody who has seen that a claim is old, and does nothing about it until ``meanwhile`` is over."""

    def look() -> datetime:
        if waiting:
            waiting.pop()()
        return clock()

    waiting = [meanwhile]
    return AlertLog(Lake(str(tmp_path)), ALERT.job, look)


def test_of_two_who_see_the_same_old_claim_one_takes_it_over(log: AlertLog, tmp_path: Path, clock: Clock) -> None:
    log.claim(ALERT, "mail")
    clock.advance(seconds=CLAIMED_FOR.total_seconds())
    taken = []
    slow = interrupt(tmp_path, clock, lambda: taken.append(log.claim(ALERT, "mail")))
    assert not slow.claim(ALERT, "mail")
    assert taken[0]


def test_who_looked_long_ago_takes_nothing_over_from_those_who_came_later(
    log: AlertLog, tmp_path: Path, clock: Clock
) -> None:
    """Others have tried meanwhile and removed what they were done with; one of them is about to send it."""

    def try_thrice() -> None:
        for _ in range(2):
            claim = log.claim(ALERT, "mail")
            assert claim is not None
            log.give_up(ALERT, "mail", claim)
        assert log.claim(ALERT, "mail")

    log.claim(ALERT, "mail")
    clock.advance(seconds=CLAIMED_FOR.total_seconds())
    assert not interrupt(tmp_path, clock, try_thrice).claim(ALERT, "mail")
    assert not log.claim(ALERT, "mail")


def test_who_looked_before_it_was_settled_does_not_send_it(log: AlertLog, tmp_path: Path, clock: Clock) -> None:
    def tell() -> None:
        assert log.claim(ALERT, "mail")
        log.settle(ALERT, "mail", "told")

    log.claim(ALERT, "mail")
    clock.advance(seconds=CLAIMED_FOR.total_seconds())
    assert not interrupt(tmp_path, clock, tell).claim(ALERT, "mail")
    assert list_claims(tmp_path) == []


def test_who_wakes_up_late_ends_no_claim_but_its_own(log: AlertLog, clock: Clock) -> None:
    slept = log.claim(ALERT, "mail")
    assert slept is not None
    clock.advance(seconds=CLAIMED_FOR.total_seconds())
    assert log.claim(ALERT, "mail")
    log.give_up(ALERT, "mail", slept)
    assert not log.claim(ALERT, "mail")


def list_claims(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.rglob("*.claimed*")]


def test_the_untold_are_those_of_any_channel_and_are_read_oldest_first(log: AlertLog) -> None:
    newer = make_alert(id="alarm-000000", at="2024-02-14T06:00:00+00:00")
    for alert in (newer, ALERT):
        log.put(alert)
        log.settle(alert, "log", "told")
    assert log.list_untold(["log"]) == []
    untold = log.list_untold(["log", "mail"])
    assert sorted(untold) == sorted([ALERT.id, newer.id])
    assert log.read_all(untold) == ([ALERT, newer], {})


@pytest.mark.parametrize("content", ["{}", "", '{"id": ', "[]"])
def test_a_damaged_alert_is_named_and_hides_no_other(log: AlertLog, tmp_path: Path, content: str) -> None:
    log.put(ALERT)
    log.put(make_alert(id="broken"))
    path = tmp_path / "jobs/ice_levels/alerts/broken.json"
    path.write_text(content)
    alerts, damaged = log.read_all(log.list_untold(["mail"]))
    assert alerts == [ALERT]
    error = damaged["broken"]
    assert (error.problem, error.job) == (f"file://{path} is damaged", ALERT.job)
    assert str(error.next_step).startswith("remove the file")


def test_a_damaged_claim_is_named(log: AlertLog, tmp_path: Path) -> None:
    log.claim(ALERT, "mail")
    (tmp_path / f"jobs/ice_levels/alerts/{ALERT.id}.mail.claimed-1.json").write_text("{}")
    with pytest.raises(DamagedError, match="claimed"):
        log.claim(ALERT, "mail")
