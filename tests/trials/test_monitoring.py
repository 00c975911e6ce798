"""The judge of the alarms: what matches, what is false, how early, how far off."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from trials.monitoring.__main__ import main
from trials.monitoring.disruptions import Disruption, find_disruptions, read_cancelled_shares
from trials.monitoring.judging import judge, read_alarms

FIRST = date(2013, 4, 1)
STORM = Disruption(date(2013, 4, 10), date(2013, 4, 12), 0.2)


def day(number: int) -> str:
    return date(2013, 4, number).isoformat()


def raise_alarm(signal: str, since: int, raised: int) -> dict[str, Any]:
    return {"kind": "raised", "signal": signal, "since": day(since), "partition": day(raised)}


def resolve_alarm(signal: str, resolved: int) -> dict[str, Any]:
    return {"kind": "resolved", "signal": signal, "since": day(1), "partition": day(resolved)}


def watch(alarms: list[dict[str, Any]], nights: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    named = {"job": "flight_delays", "policy": "weekly", "first": day(1), "last": day(30)}
    return {
        **named,
        "nights": nights if nights is not None else [watch_night(at) for at in range(1, 31)],
        "alarms": alarms,
    }


def watch_night(
    number: int, realised: float | None = None, estimate: float | None = None, muted: str | None = None
) -> Any:
    return {
        "partition": day(number),
        "signals": [],
        "graded": None if realised is None else {"metrics": {"auc": realised}, "signals": []},
        "estimate": None if estimate is None else {"metrics": {"auc": estimate}, "muted": muted},
    }


@pytest.mark.parametrize(
    ("since", "raised", "matches"),
    [(8, 8, False), (8, 9, True), (10, 11, True), (12, 14, True), (13, 14, False)],
)
def test_an_alarm_matches_a_disruption_of_the_days_that_it_speaks_of(since: int, raised: int, matches: bool) -> None:
    """Predictions of partition D are about day D + 1."""
    (alarm,) = read_alarms([raise_alarm("inputs.drift", since, raised)])
    assert alarm.matches(STORM) is matches


def test_what_matches_nothing_is_a_false_alarm() -> None:
    report = judge(watch([raise_alarm("inputs.drift", 9, 10), raise_alarm("outputs.mean", 20, 21)]), [STORM])
    assert (report["alarms"], report["matched"]) == (2, 1)
    assert report["false_alarms_per_month"] == pytest.approx(1.01, abs=0.01)
    assert report["disruptions_found"] == 1
    assert report["by_signal"]["outputs.mean"] == {"alarms": 1, "matched": 0}


def test_an_alarm_is_resolved_by_the_next_event_of_its_own_signal() -> None:
    events = [
        raise_alarm("inputs.drift", 9, 10),
        resolve_alarm("outputs.mean", 11),
        resolve_alarm("inputs.drift", 15),
        raise_alarm("inputs.drift", 20, 21),
    ]
    assert [alarm.resolved for alarm in read_alarms(events)] == [date(2013, 4, 15), None]


def test_the_warning_time_is_that_of_the_first_alarm_in_the_week_before() -> None:
    alarms = [
        raise_alarm("inputs.drift", 2, 3),
        raise_alarm("outputs.mean", 8, 9),
        raise_alarm("accuracy.primary", 10, 11),
        raise_alarm("accuracy.primary", 25, 26),
    ]
    leads = judge(watch(alarms), [])["warnings_of_drops"]
    assert [lead["nights_before"] for lead in leads] == [7, None]


def test_the_error_of_the_estimate_stands_beside_that_of_the_mean_so_far() -> None:
    nights = [watch_night(1, 0.7), watch_night(2, 0.8, 0.75), watch_night(3, 0.6, 0.9, "was wrong"), watch_night(4)]
    report = judge(watch([], nights), [])
    assert report["estimate_auc_error"] == pytest.approx((0.05 + 0.3) / 2)
    assert report["estimate_auc_error_believed"] == pytest.approx(0.05)
    assert report["naive_auc_error"] == pytest.approx((0.1 + 0.15) / 2)
    assert (report["estimate_auc_nights"], report["estimate_auc_muted"]) == (2, 1)


def test_days_near_each_other_are_one_disruption() -> None:
    shares = {FIRST + timedelta(days=at): share for at, share in enumerate([0.1, 0.01, 0.2, 0.01, 0.01, 0.08, 0.01])}
    found = find_disruptions(shares, FIRST, FIRST + timedelta(days=6))
    assert found == [
        Disruption(FIRST, FIRST + timedelta(days=2), 0.2),
        Disruption(date(2013, 4, 6), date(2013, 4, 6), 0.08),
    ]


def test_the_known_storms_are_disruptions_of_the_data() -> None:
    """Late June, July, the thunderstorms of 12 September, and the snow of December."""
    found = find_disruptions(read_cancelled_shares(), FIRST, date(2013, 12, 31))
    firsts = {item.first for item in found}
    assert {date(2013, 6, 24), date(2013, 7, 22), date(2013, 9, 12), date(2013, 12, 5), date(2013, 12, 10)} <= firsts


def test_the_command_writes_the_report_and_the_plots(tmp_path: Path) -> None:
    signal = {"name": "inputs.drift", "value": 1.0, "lower": None, "upper": 2.0, "breached": False, "muted": None}
    nights = [watch_night(1, 0.7) | {"signals": [signal]}, watch_night(2, 0.8, 0.75)]
    (tmp_path / "watched.json").write_text(json.dumps(watch([raise_alarm("inputs.drift", 9, 10)], nights)))
    assert main(["--watched", str(tmp_path / "watched.json"), "--report", str(tmp_path), "--json"]) == 0
    assert json.loads((tmp_path / "monitoring.json").read_text())["alarms"] == 1
    assert (tmp_path / "inputs-drift.svg").read_bytes().startswith(b"<?xml")
