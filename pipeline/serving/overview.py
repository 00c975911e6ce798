"""What a job serves, for people and monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.errors import DamagedError
from pipeline.keyspace import Header, State, token_of
from pipeline.serving.connection import Connection


@dataclass(frozen=True)
class Release:
    """One generation.

    Attributes:
        header: None while it is loading, and if its load was abandoned.
        newest: whether it is the one that reading by partition finds.
    """

    generation: str
    state: State
    header: Header | None
    newest: bool

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        header = self.header.to_json_object() if self.header else None
        return {"generation": self.generation, "state": self.state.value, "newest": self.newest, "header": header}


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


def is_stale(header: Header, age: timedelta) -> bool:
    """Whether predictions of this age are older than their job allows."""
    return header.max_age_seconds is not None and age.total_seconds() > header.max_age_seconds


def read_status(connection: Connection, now: datetime) -> Status:
    """What ``connection``'s job serves at the moment ``now``."""
    header = connection.read_live()
    control = connection.read_control()
    states = list(control["states"].values())
    age = now - header.cutoff
    return Status(
        job=connection.job,
        header=header,
        token=int(control["live"].get("token", header.token)),
        age=age,
        stale=is_stale(header, age),
        states={state.value: states.count(state.value) for state in State},
    )


def list_releases(connection: Connection) -> list[Release]:
    """Every generation that ``connection``'s job has, newest first."""
    control = connection.read_control()
    newest = set(control["partitions"].values())
    names = sorted(
        (name for name in control["states"] if token_of(name) is not None),
        key=lambda name: token_of(name) or 0,
        reverse=True,
    )
    return [
        Release(
            name, State(control["states"][name]), _read_header(connection, control["headers"].get(name)), name in newest
        )
        for name in names
    ]


def _read_header(connection: Connection, text: str | None) -> Header | None:
    try:
        return Header.from_json(text) if text else None
    except DamagedError as error:
        raise connection.unhealthy(error.problem, str(error.expected), str(error.next_step), error.found) from error
