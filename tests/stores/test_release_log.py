"""The release log: append-only, and what is live is told by tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake
from pipeline.stores.predictions import Rejection
from pipeline.stores.release_log import (
    ReleaseEvent,
    ReleaseKind,
    ReleaseLog,
    find_live,
    find_previous,
    highest_token,
    list_pinned,
    list_rejected,
    list_taken_back,
)
from tests.clock import Clock

Append = Callable[..., Any]


@pytest.fixture
def log(tmp_path: Path) -> ReleaseLog:
    return ReleaseLog(Lake(str(tmp_path)), "flights", Clock(datetime(2024, 3, 10, tzinfo=UTC)))


@pytest.fixture
def append(log: ReleaseLog) -> Append:
    def write(kind: ReleaseKind, token: int, generation: str | None = None, **details: Any) -> Any:
        name = generation or f"{token}-abcd"
        parts = {"partition": "2024-03-09", "inputs": f"inputs of {name}", "who": "a run", "why": "because", **details}
        return log.append(kind, generation=name, token=token, **parts)

    return write


def reject(generation: str) -> dict[str, Rejection]:
    return {f"inputs of {generation}": Rejection("Jane Doe", "off", "2024-03-10T00:00:00Z", generation, "2024-03-09")}


def test_events_are_numbered_and_come_back_as_they_were(log: ReleaseLog, append: Append) -> None:
    written = [append("released", 1), append("rolled_back", 3, "1-abcd", rejected=reject("2-abcd"))]
    assert log.events() == written
    assert [event.number for event in written] == [1, 2]


def test_live_is_what_the_highest_token_moved_to_in_whatever_order_it_was_logged(
    log: ReleaseLog, append: Append
) -> None:
    for token in (1, 3, 2):
        append("released", token)
    append("held", 4)
    live, previous = find_live(log.events()), find_previous(log.events())
    assert live is not None
    assert previous is not None
    assert (live.generation, previous.generation) == ("3-abcd", "2-abcd")
    assert highest_token(log.events()) == 4


def test_what_was_rolled_back_is_rejected_until_it_is_let_in_again(log: ReleaseLog, append: Append) -> None:
    append("released", 1)
    append("released", 2)
    append("rolled_back", 3, "1-abcd", rejected=reject("2-abcd"))
    assert list(list_rejected(log.events())) == ["inputs of 2-abcd"]
    assert find_previous(log.events()) is None
    append("released", 4, readmitted=("inputs of 2-abcd",))
    assert list_rejected(log.events()) == {}


def test_a_pin_stands_until_it_is_taken_out(log: ReleaseLog, append: Append) -> None:
    append("pinned", 1)
    append("pinned", 2)
    append("unpinned", 1)
    assert list(list_pinned(log.events())) == ["2-abcd"]


def test_a_damaged_log_is_told(log: ReleaseLog, append: Append, tmp_path: Path) -> None:
    append("released", 1)
    append("released", 2)
    (tmp_path / "jobs/flights/release_log/000001.json").unlink()
    with pytest.raises(DamagedError, match="the release log is damaged: an event is missing"):
        log.events()


def test_what_was_live_before_is_of_other_inputs(log: ReleaseLog, append: Append) -> None:
    append("released", 1)
    append("released", 2, inputs="the same")
    append("released", 3, inputs="the same")
    previous = find_previous(log.events())
    assert previous is not None
    assert previous.generation == "1-abcd"


def make_event(number: int, kind: ReleaseKind, generation: str, token: int) -> ReleaseEvent:
    parts = {"partition": "2024-03-03", "inputs": "a", "who": "Jane Doe", "why": "a test", "at": "2024-03-04T00:00:00Z"}
    return ReleaseEvent(number=number, kind=kind, generation=generation, token=token, **parts)


def test_what_rollbacks_took_back_goes_by_tokens_and_not_by_inputs_or_numbers() -> None:
    """To 1, over 2 and 3; then 6, and 3 once more; then to 6, over 3."""
    events = [
        make_event(1, "released", "1-aaaa", 1),
        make_event(2, "released", "3-cccc", 3),
        make_event(3, "released", "2-bbbb", 2),
        make_event(4, "kept", "4-dddd", 4),
        make_event(5, "rolled_back", "1-aaaa", 5),
    ]
    assert list_taken_back(events) == {"2-bbbb", "3-cccc"}
    events += [make_event(6, "released", "6-eeee", 6), make_event(7, "approved", "3-cccc", 7)]
    assert list_taken_back(events) == {"2-bbbb"}
    events.append(make_event(8, "rolled_back", "6-eeee", 8))
    assert list_taken_back(events) == {"2-bbbb", "3-cccc"}
