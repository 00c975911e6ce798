"""What the events of a log of alarms come to."""

from __future__ import annotations

from typing import Any

from pipeline.stores.alarms import Alarm, AlarmEvent, list_open, pair_events
from tests.monitoring_records import make_alarm

WHY = "not judged on 3 nights: the newest record does not have it"


def end(number: int, partition: str, **changes: Any) -> AlarmEvent:
    return make_alarm(number, partition, kind="resolved", **changes)


def test_what_raised_an_alarm_is_paired_with_what_resolved_it() -> None:
    events = [
        make_alarm(1, "2024-03-01"),
        make_alarm(2, "2024-03-02", signal="outputs.mean"),
        end(3, "2024-03-04"),
        make_alarm(4, "2024-03-06"),
    ]
    first, other, over, again = events
    assert pair_events(events) == [Alarm(first, over), Alarm(other), Alarm(again)]
    assert list_open(events) == {"outputs.mean": other, "inputs.drift": again}


def test_an_open_one_has_no_end() -> None:
    told = Alarm(make_alarm(1, "2024-03-01")).to_json()
    assert (told["resolved_by"], told["resolved_at"], told["why_resolved"], told["judged"]) == (None, None, None, True)


def test_one_that_is_well_again_says_so() -> None:
    told = Alarm(make_alarm(1, "2024-03-01"), end(2, "2024-03-04")).to_json()
    assert (told["partition"], told["resolved_by"]) == ("2024-03-01", "2024-03-04")
    assert (told["why_resolved"], told["judged"]) == ("within its limits again", True)


def test_one_that_is_not_judged_any_more_says_why_and_is_not_called_well() -> None:
    told = Alarm(make_alarm(1, "2024-03-01"), end(2, "2024-03-04", judged=False, found=WHY)).to_json()
    assert (told["why_resolved"], told["judged"], told["found"]) == (WHY, False, "")
