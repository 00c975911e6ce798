"""Alarms as episodes, and what is written at the margins of charts."""

from __future__ import annotations

from typing import Any

from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.ledger_events import Event
from pipeline.stores.release_log import ReleaseEvent
from pipeline.tasks.viewing.history import list_episodes, list_held, list_marks
from tests.monitoring_records import make_alarm

RUNBOOKS = "docs/operations.md"


def alarm(number: int, kind: str, signal: str, day: int, severity: str = "warning") -> AlarmEvent:
    return make_alarm(number, f"2024-01-{day:02d}", kind=kind, signal=signal, severity=severity)


def release(number: int, kind: Any, day: int, generation: str, **details: Any) -> ReleaseEvent:
    facts: dict[str, Any] = {
        "token": number,
        "inputs": "",
        "who": "run",
        "why": "because",
        "at": f"2024-02-{number:02d}",
    }
    return ReleaseEvent(
        number=number, kind=kind, generation=generation, partition=f"2024-01-{day:02d}", **facts, **details
    )


def test_an_alarm_that_was_resolved_is_one_episode() -> None:
    (episode,) = list_episodes(
        [alarm(1, "raised", "inputs.drift", 3), alarm(2, "resolved", "inputs.drift", 8)], RUNBOOKS
    )
    assert (episode["since"], episode["resolved_by"]) == ("2024-01-03", "2024-01-08")
    assert episode["runbook"] == "docs/operations.md#inputsdrift"


def test_open_alarms_come_first_and_newer_ones_before_older() -> None:
    events = [
        alarm(1, "raised", "inputs.drift", 1),
        alarm(2, "raised", "outputs.mean", 2),
        alarm(3, "resolved", "outputs.mean", 4),
        alarm(4, "raised", "outputs.mean", 5),
        alarm(5, "resolved", "outputs.mean", 6),
    ]
    shown = [
        (episode["signal"], episode["since"][-2:], episode["resolved_by"])
        for episode in list_episodes(events, RUNBOOKS)
    ]
    assert shown == [
        ("inputs.drift", "01", None),
        ("outputs.mean", "05", "2024-01-06"),
        ("outputs.mean", "02", "2024-01-04"),
    ]


def test_the_worst_open_alarm_comes_first() -> None:
    events = [alarm(1, "raised", "accuracy.primary", 1, "critical"), alarm(2, "raised", "inputs.drift", 2)]
    assert [episode["signal"] for episode in list_episodes(events, RUNBOOKS)] == ["accuracy.primary", "inputs.drift"]


def test_a_rollback_is_marked_at_the_night_that_it_took_back() -> None:
    events = [
        release(1, "released", 1, "1-a"),
        release(2, "released", 2, "2-b"),
        release(3, "rolled_back", 1, "1-a", previous="2-b"),
    ]
    (mark,) = list_marks(events, [])
    assert (mark["partition"], mark["kind"], mark["what"]) == ("2024-01-02", "rolled_back", "rolled back to 2024-01-01")


def test_ordinary_releases_are_no_marks_and_second_ones_are() -> None:
    events = [release(1, "released", 1, "1-a"), release(2, "kept", 2, "2-b"), release(3, "released", 1, "3-c")]
    assert [(mark["partition"], mark["kind"]) for mark in list_marks(events, [])] == [
        ("2024-01-01", "released_again"),
        ("2024-01-02", "kept"),
    ]


def test_a_promotion_is_marked_where_it_begins_to_hold() -> None:
    facts: dict[str, Any] = {"model_version": "2", "at": "2024-01-01", "who": "ada", "why": "better"}
    events = [
        Event(number=1, kind="registered", **facts),
        Event(number=2, kind="promoted", holds_from="2024-01-05", **facts),
    ]
    assert [(mark["partition"], mark["what"]) for mark in list_marks([], events)] == [
        ("2024-01-05", "model 2 promoted")
    ]


def test_a_release_waits_until_somebody_answers() -> None:
    events = [release(1, "held", 1, "1-a"), release(2, "held", 2, "2-b"), release(3, "approved", 1, "1-a")]
    assert [item["generation"] for item in list_held(events)] == ["2-b"]
