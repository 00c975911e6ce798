"""What a job serves, for people and monitoring."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.keyspace import Header, State, token_of
from pipeline.serving.answers import is_stale
from pipeline.serving.lookups import Lookups, Steps


@dataclass(frozen=True)
class Release:
    """One generation.

    Attributes:
        header: None while it is loading, and if its load was abandoned.
        newest: whether it is the one that reading by partition finds.
        pin: ``who`` wants it kept, ``why`` and since when (``at``); None unless it is pinned.
    """

    generation: str
    state: State
    header: Header | None
    newest: bool
    pin: dict[str, str] | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        header = self.header.to_json_object() if self.header else None
        return {
            "generation": self.generation,
            "state": self.state.value,
            "newest": self.newest,
            "pin": self.pin,
            "header": header,
        }


@dataclass(frozen=True)
class Status:
    """What is live.

    Attributes:
        token: the fencing token that it was made live with.
        age: now minus the cutoff of its partition.
        stale: whether it is older than the job allows.
        states: how many generations there are in each state.
    """

    job: str
    header: Header
    token: int
    age: timedelta
    stale: bool
    states: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """The header's fields and the others in one JSON object; the age in seconds."""
        return self.header.to_json_object() | {
            "token": self.token,
            "age_seconds": self.age.total_seconds(),
            "stale": self.stale,
            "states": self.states,
        }


def find_status(lookups: Lookups, now: datetime) -> Steps[Status]:
    """What the job serves at the moment ``now``."""
    live = yield from lookups.read_live()
    control = yield from lookups.read_control()
    states = list(control["states"].values())
    age = now - live.header.cutoff
    return Status(
        job=lookups.job,
        header=live.header,
        token=live.token,
        age=age,
        stale=is_stale(live.header, age),
        states={state.value: states.count(state.value) for state in State},
    )


def find_releases(lookups: Lookups) -> Steps[list[Release]]:
    """Every generation that the job has, newest first."""
    control = yield from lookups.read_control()
    newest = set(control["partitions"].values())
    names = sorted(
        (name for name in control["states"] if token_of(name) is not None),
        key=lambda name: token_of(name) or 0,
        reverse=True,
    )
    headers = {name: lookups.parse_header(text) for name, text in control["headers"].items() if name in names}
    pins = {name: json.loads(text) for name, text in control["pins"].items()}
    return [
        Release(name, State(control["states"][name]), headers.get(name), name in newest, pins.get(name))
        for name in names
    ]
