"""Of several who want to tell the same, one does; what nobody took is told later."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
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
    assert log.claim(ALERT, "mail")
    log.give_up(ALERT, "mail")
    assert log.list_untold(["mail"]) == [ALERT]
    assert log.claim(ALERT, "mail")


def test_of_many_at_once_one_tells(log: AlertLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: log.claim(ALERT, "mail"), range(32)))
    assert claims.count(True) == 1


def test_who_died_while_telling_leaves_it_to_others(log: AlertLog, clock: Clock) -> None:
    assert log.claim(ALERT, "mail")
    clock.advance(seconds=CLAIMED_FOR.total_seconds() - 1)
    assert not log.claim(ALERT, "mail")
    clock.advance(seconds=1)
    assert log.claim(ALERT, "mail")
    assert not log.claim(ALERT, "mail")


def test_the_untold_are_those_of_any_channel_oldest_first(log: AlertLog) -> None:
    newer = make_alert(id="alarm-000000", at="2024-02-14T06:00:00+00:00")
    for alert in (newer, ALERT):
        log.put(alert)
        log.settle(alert, "log", "told")
    assert log.list_untold(["log"]) == []
    assert log.list_untold(["log", "mail"]) == [ALERT, newer]


def test_a_damaged_alert_is_named(log: AlertLog, tmp_path: Path) -> None:
    log.put(ALERT)
    (tmp_path / f"jobs/ice_levels/alerts/{ALERT.id}.json").write_text("{}")
    with pytest.raises(DamagedError, match=ALERT.id):
        log.read(ALERT.id)
