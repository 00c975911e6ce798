"""`nightjar check`: an exit code for cron and probes, words for people, JSON for machines."""

from __future__ import annotations

import pytest

from tests.cli.conftest import JOB, Nightjar
from tests.tasks.nights import LIVE
from tests.webhook import Webhook

WELL = "2024-03-04T00:00:00Z"


@pytest.fixture
def live(nightjar: Nightjar) -> Nightjar:
    """A night is live."""
    assert nightjar("run", JOB, "--partition", LIVE).code == 0
    return nightjar


def test_all_is_well_as_of_the_data_s_own_time(live: Nightjar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTJAR_CLOCK", WELL)
    answer = live("check")
    assert answer.code == 0
    assert "as of 2024-03-04T00:00:00+00:00, as NIGHTJAR_CLOCK says" in answer.out
    assert "flight_delays\n  ? live: nothing was released yet" in answer.out
    assert live("check", JOB).code == 0
    assert not live("status", JOB, "--json").json["stale"]


def test_what_is_wrong_is_one(live: Nightjar) -> None:
    answer = live("check", JOB, "--json")
    assert answer.code == 1
    assert not answer.json["fine"]
    assert not answer.json["clock_moved"]
    wrong = [part["part"] for part in answer.json["jobs"][JOB]["findings"] if part["state"] == "wrong"]
    assert wrong == ["age", "night"]
    assert "told" not in answer.json["jobs"][JOB]
    shown = live("check", JOB)
    assert shown.code == 1
    assert "✗ age: the predictions are of 2024-03-03" in shown.out


def test_a_redis_that_is_down_is_found_and_is_no_failure_of_the_check(
    live: Nightjar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_REDIS_URL", "redis://:hush@127.0.0.1:1/0")
    answer = live("check", JOB, "--json")
    assert answer.code == 1
    assert "hush" not in answer.out + answer.error
    assert len(answer.json["jobs"][JOB]["findings"]) == 6


def test_telling_says_what_was_told(live: Nightjar, monkeypatch: pytest.MonkeyPatch, webhook: Webhook) -> None:
    monkeypatch.setenv("NIGHTJAR_ALERT_WEBHOOK", webhook.address.get_secret_value())
    first = live("check", JOB, "--tell", "--json")
    assert first.json["jobs"][JOB]["told"] == ["alarm-000001", "alarm-000002"]
    assert "told: nothing new" in live("check", JOB, "--tell").out
    assert {content["subject"] for content in webhook.received} == {"operations.age", "operations.missing"}


def test_usage_is_two_and_a_clock_that_is_none_is_told(nightjar: Nightjar, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nightjar("check", "--colour").code == 2
    monkeypatch.setenv("NIGHTJAR_CLOCK", "yesterday")
    answer = nightjar("check", JOB)
    assert answer.code == 1
    assert "NIGHTJAR_CLOCK is no time" in answer.error
