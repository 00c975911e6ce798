"""Numbered events in the lake, append-only.

    <folder>/000001.json, 000002.json, …

An event is put under the next number if nobody has, and never changed.  So of two writers one loses, and draws up its
event again, knowing the winner's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import DamagedError, UnavailableError
from pipeline.stores.lake import Lake

_EVENT_NAME = re.compile(r"\d{6}\.json")
_ATTEMPTS = 50


class NumberedEvent(BaseModel):
    """One line of a log; never changed.

    Attributes:
        number: 1, 2, 3, … without a gap.
    """

    model_config = ConfigDict(frozen=True)

    number: int


E = TypeVar("E", bound=NumberedEvent)


class EventLog(Generic[E]):
    """The events of one kind that one job has.

    Args:
        name: what the log is called in errors.
        kind: the class of its events.
    """

    def __init__(self, lake: Lake, job: str, folder: str, name: str, kind: type[E]) -> None:
        self._lake = lake
        self._job = job
        self._folder = folder
        self._name = name
        self._kind = kind

    def events(self, known: Sequence[E] = ()) -> list[E]:
        """Every event, in order.

        Args:
            known: the first events, as an earlier call gave them: they never change, so they are not read again.

        Raises:
            DamagedError: an event is missing or cannot be read.
        """
        names = self._names()
        expected = [_event_name(number) for number in range(1, len(names) + 1)]
        if names != expected:
            raise self._damaged("an event is missing", ", ".join(expected), ", ".join(names))
        kept = [] if len(known) > len(names) else list(known)  # a log that got shorter is another one
        return [*kept, *(self._read(number, names[number - 1]) for number in range(len(kept) + 1, len(names) + 1))]

    def append(self, draft: Callable[[int], E]) -> E:
        """Write an event under the next number.

        Args:
            draft: gives the event of a number, or an earlier one if there is nothing to write.  It is asked again when
                somebody else takes the number first.

        Returns:
            What ``draft`` gave.

        Raises:
            UnavailableError: others take every number.
        """
        for _ in range(_ATTEMPTS):
            number = len(self._names()) + 1
            event = draft(number)
            if event.number < number or self._put(event):
                return event
        raise UnavailableError(
            f"the {self._name} is written to by others all the time",
            job=self._job,
            expected=f"a free number within {_ATTEMPTS} attempts",
            found="every number was taken by somebody else",
            next_step="try again; look for a task that writes to it in a loop",
        )

    def _names(self) -> list[str]:
        return [name for name in self._lake.list(self._folder) if _EVENT_NAME.fullmatch(name)]

    def _put(self, event: E) -> bool:
        path = f"{self._folder}/{_event_name(event.number)}"
        return self._lake.put_json_if_absent(path, event.model_dump(mode="json"))

    def _read(self, number: int, name: str) -> E:
        try:
            event = self._kind.model_validate(self._lake.read_json(f"{self._folder}/{name}"))
        except ValidationError as error:
            found = f"{error.error_count()} fields that are none of an event"
            raise self._damaged(f"{name} is not an event", f"an event of the {self._name}", found) from error
        if event.number != number:
            raise self._damaged(f"{name} holds another event", f"number {number}", f"number {event.number}")
        return event

    def _damaged(self, problem: str, expected: str, found: str) -> DamagedError:
        return DamagedError(
            f"the {self._name} is damaged: {problem}",
            job=self._job,
            expected=expected,
            found=found,
            next_step=f"restore {self._lake.url(self._folder)} from a backup of the lake",
        )


def _event_name(number: int) -> str:
    return f"{number:06d}.json"
