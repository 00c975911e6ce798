"""The release log: what became of every generation, in the lake, where it outlives Redis.

    jobs/<job>/release_log/000001.json, 000002.json, …

Append-only, see :mod:`pipeline.stores.event_log`.  Two publishers may log in another order than they acted in, so what
is live is told by the tokens, which Redis gave out one by one, and not by the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from pipeline.keyspace import token_of
from pipeline.stores.event_log import EventLog, NumberedEvent
from pipeline.stores.lake import Lake
from pipeline.stores.predictions import Rejection

ReleaseKind = Literal[
    "released",
    "kept",
    "held",
    "refused",
    "approved",
    "declined",
    "rolled_back",
    "republished",
    "pinned",
    "unpinned",
]

MADE_LIVE: frozenset[ReleaseKind] = frozenset({"released", "approved", "rolled_back"})
"""Kinds of events that moved what readers see, to ``generation``, with ``token``."""


class ReleaseEvent(NumberedEvent):
    """One line of the log; never changed.

    Attributes:
        kind: ``released``: made live; ``kept``: verified, of an older partition than the live one; ``held``: waits for
            an approval; ``refused``: the gate blocked it; ``approved``, ``declined``: the answer to a held one, or a
            person's to a refused one; ``rolled_back``: live was moved back to ``generation``; ``republished``: Redis
            was filled again; ``pinned``, ``unpinned``.
        token: that it was made live with, else that it was loaded with.
        inputs: digest of what the predictions were made of.
        previous: the generation that was live before, if any.
        who: the person or run that did it.
        at: UTC, ISO 8601.
        header: the generation's header as Redis holds it; for events that end a load.
        rejected: by the digest of their inputs, what a rollback took back.
        readmitted: digests of inputs that were taken back and were released all the same.
    """

    kind: ReleaseKind
    generation: str
    partition: str
    token: int
    inputs: str
    previous: str | None = None
    who: str
    why: str
    at: str
    header: dict[str, Any] | None = None
    rejected: dict[str, Rejection] = Field(default_factory=dict)
    readmitted: tuple[str, ...] = ()


class ReleaseLog:
    """The release log of one job."""

    def __init__(self, lake: Lake, job: str, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._log = EventLog(lake, job, f"jobs/{job}/release_log", "release log", ReleaseEvent)

    def events(self, known: Sequence[ReleaseEvent] = ()) -> list[ReleaseEvent]:
        """Every event, in order; see :meth:`EventLog.events`.

        Raises:
            DamagedError: an event is missing or cannot be read.
        """
        return self._log.events(known)

    def append(
        self,
        kind: ReleaseKind,
        *,
        generation: str,
        partition: str,
        token: int,
        inputs: str,
        who: str,
        why: str,
        **details: Any,
    ) -> ReleaseEvent:
        """Write an event under the next number.

        Args:
            details: ``previous``, ``header``, ``rejected``, ``readmitted``, as :class:`ReleaseEvent` has them.

        Raises:
            UnavailableError: others take every number.
        """
        return self._log.append(
            lambda number: ReleaseEvent(
                number=number,
                kind=kind,
                generation=generation,
                partition=partition,
                token=token,
                inputs=inputs,
                who=who,
                why=why,
                at=self._clock().astimezone(UTC).isoformat(timespec="seconds"),
                **details,
            )
        )


def find_live(events: Sequence[ReleaseEvent]) -> ReleaseEvent | None:
    """The event that made live what is live: of those that moved the pointer, the one with the highest token."""
    moves = [event for event in events if event.kind in MADE_LIVE]
    return max(moves, key=lambda event: event.token, default=None)


def find_previous(events: Sequence[ReleaseEvent]) -> ReleaseEvent | None:
    """The event that made live what was live before that, of other inputs, unless it was taken back since."""
    live = find_live(events)
    if live is None:
        return None
    left_out = {*list_rejected(events), live.inputs} - {""}
    before = [
        event
        for event in events
        if event.kind in MADE_LIVE and event.generation != live.generation and event.inputs not in left_out
    ]
    return max(before, key=lambda event: event.token, default=None)


def list_rejected(events: Sequence[ReleaseEvent]) -> dict[str, Rejection]:
    """By the digest of their inputs, what rollbacks took back and nobody let in again."""
    rejected: dict[str, Rejection] = {}
    for event in sorted(events, key=lambda event: (event.token, event.number)):
        rejected.update(event.rejected)
        let_in = (event.inputs, *event.readmitted) if event.kind == "rolled_back" else event.readmitted
        for inputs in let_in:
            rejected.pop(inputs, None)
    return rejected


def list_pinned(events: Sequence[ReleaseEvent]) -> dict[str, ReleaseEvent]:
    """The pins that stand, by generation."""
    pinned: dict[str, ReleaseEvent] = {}
    for event in events:
        if event.kind == "pinned":
            pinned[event.generation] = event
        elif event.kind == "unpinned":
            pinned.pop(event.generation, None)
    return pinned


def list_taken_back(events: Sequence[ReleaseEvent]) -> set[str]:
    """The generations that rollbacks took back and that were not made live since, as Redis has them rejected."""
    made_live: dict[str, int] = {}
    taken_back: set[str] = set()
    for event in sorted((event for event in events if event.kind in MADE_LIVE), key=lambda event: event.token):
        if event.kind == "rolled_back":
            since = made_live.get(event.generation, token_of(event.generation) or 0)
            taken_back |= {generation for generation, token in made_live.items() if token > since}
        made_live[event.generation] = event.token
        taken_back.discard(event.generation)
    return taken_back


def highest_token(events: Sequence[ReleaseEvent]) -> int:
    """The highest token that the log knows of; 0 if it is empty."""
    return max((event.token for event in events), default=0)
