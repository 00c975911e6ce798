"""Numbered events: nobody writes over anybody, and what is missing or damaged is told."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from pipeline.errors import DamagedError, UnavailableError
from pipeline.stores.event_log import EventLog, NumberedEvent
from pipeline.stores.lake import Lake

FOLDER = "jobs/parcels/notes"


class Note(NumberedEvent):
    text: str


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@pytest.fixture
def log(lake: Lake) -> EventLog[Note]:
    return open_log(lake)


def open_log(lake: Lake) -> EventLog[Note]:
    return EventLog(lake, "parcels", FOLDER, "log of notes", Note)


def write(log: EventLog[Note], text: str) -> Note:
    return log.append(lambda number: Note(number=number, text=text))


def test_events_are_numbered_files_and_come_back_in_order(lake: Lake, log: EventLog[Note]) -> None:
    written = [write(log, text) for text in "abc"]
    assert lake.list(FOLDER) == ["000001.json", "000002.json", "000003.json"]
    assert lake.read_json(f"{FOLDER}/000002.json") == {"number": 2, "text": "b"}
    assert log.events() == written


def test_an_empty_log_has_no_events(log: EventLog[Note]) -> None:
    assert log.events() == []


def test_what_was_read_is_not_read_again(lake: Lake, log: EventLog[Note], monkeypatch: pytest.MonkeyPatch) -> None:
    known = [write(log, "a"), write(log, "b")]
    new = write(log, "c")
    opened: list[str] = []
    read = lake.read_bytes

    def note(path: str) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(lake, "read_bytes", note)
    assert log.events(known) == [*known, new]
    assert opened == [f"{FOLDER}/000003.json"]


def test_a_log_that_got_shorter_is_read_anew(lake: Lake, log: EventLog[Note]) -> None:
    """As after a lake was restored from an older backup."""
    known = [write(log, "a"), write(log, "b")]
    for number in (1, 2):
        lake.remove(f"{FOLDER}/00000{number}.json")
    restored = write(log, "another")
    assert log.events(known) == [restored]


def test_an_earlier_event_is_given_back_and_nothing_is_written(log: EventLog[Note]) -> None:
    first = write(log, "a")
    assert log.append(lambda number: first) is first
    assert log.events() == [first]


def test_a_writer_that_lost_draws_up_its_event_again(lake: Lake, log: EventLog[Note]) -> None:
    asked = []

    def draft(number: int) -> Note:
        asked.append(number)
        if len(asked) == 1:
            write(open_log(lake), "the rival's")
        return Note(number=number, text="ours")

    assert log.append(draft) == Note(number=2, text="ours")
    assert asked == [1, 2]
    assert [event.text for event in log.events()] == ["the rival's", "ours"]


def test_of_many_writers_at_once_each_gets_a_number(tmp_path: Path) -> None:
    texts = "abcdefgh"
    start = Barrier(len(texts))

    def run(text: str) -> None:
        log = open_log(Lake(str(tmp_path)))
        start.wait()
        write(log, text)

    threads = [Thread(target=run, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = open_log(Lake(str(tmp_path))).events()
    assert sorted(event.text for event in events) == list(texts)


def test_a_log_that_is_never_free_is_given_up(lake: Lake, log: EventLog[Note], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake, "put_json_if_absent", lambda path, value: False)
    with pytest.raises(UnavailableError, match="the log of notes is written to by others all the time"):
        write(log, "a")


def test_a_missing_event_is_damage(lake: Lake, log: EventLog[Note]) -> None:
    write(log, "a")
    write(log, "b")
    lake.remove(f"{FOLDER}/000001.json")
    with pytest.raises(DamagedError, match="the log of notes is damaged: an event is missing") as damaged:
        log.events()
    assert (damaged.value.job, damaged.value.found) == ("parcels", "000002.json")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"number": 1}', "000001.json is not an event"),
        (b'{"number": 1, "text": "a', "is not JSON"),
        (b'{"number": 2, "text": "a"}', "000001.json holds another event"),
    ],
)
def test_an_unreadable_event_is_damage(lake: Lake, log: EventLog[Note], content: bytes, problem: str) -> None:
    lake.put_if_absent(f"{FOLDER}/000001.json", content)
    with pytest.raises(DamagedError, match=problem):
        log.events()


def test_other_files_in_the_folder_are_no_events(lake: Lake, log: EventLog[Note]) -> None:
    lake.put_if_absent(f"{FOLDER}/notes.txt", b"from a person")
    assert write(log, "a").number == 1
    assert len(log.events()) == 1


def test_an_event_does_not_change(log: EventLog[Note]) -> None:
    event: Any = write(log, "a")
    with pytest.raises(ValueError, match="frozen"):
        event.text = "b"
