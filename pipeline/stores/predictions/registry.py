"""The control keys of a job: which generations there are, in which state, and the steps between states."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

import redis

from pipeline import keyspace
from pipeline.digests import canonical_json
from pipeline.keyspace import Header, State
from pipeline.stores.predictions import scripts
from pipeline.stores.predictions.refusals import explained

UNLINKED_AT_ONCE = 1000


@dataclass(frozen=True)
class Record:
    """What was begun: written before the first data key, so that the keys of a broken load are known."""

    partition: str
    rows: int
    begun_at: datetime
    buckets: int | None = None

    def to_json(self) -> str:
        """Canonical JSON text."""
        return canonical_json(vars(self) | {"begun_at": self.begun_at.astimezone(UTC).isoformat()})

    @classmethod
    def from_json(cls, text: str) -> Record:
        """The inverse of :meth:`to_json`."""
        parts = json.loads(text)
        return cls(**parts | {"begun_at": datetime.fromisoformat(parts["begun_at"])})


@dataclass(frozen=True)
class Generation:
    """What the control keys say of a generation.

    Attributes:
        record: None if Redis lost it.
        header: None until the generation is verified.
        ended_at: when it was retired or rejected.
    """

    name: str
    state: State
    record: Record | None
    header: Header | None
    ended_at: datetime | None

    @property
    def token(self) -> int:
        """The fencing token that it was loaded with."""
        return cast("int", keyspace.token_of(self.name))

    @property
    def partition(self) -> str | None:
        """The partition that it was loaded for."""
        return self.header.partition if self.header else self.record.partition if self.record else None

    @property
    def buckets(self) -> int:
        """How many data keys it may have; 0 if none was begun."""
        return self.header.buckets if self.header else (self.record.buckets or 0) if self.record else 0


@dataclass(frozen=True)
class Live:
    """The generation that readers see, and the token that it was made live with."""

    token: int
    generation: str
    header: Header


Result = Literal["live", "kept", "token", "state", "header"]


@dataclass(frozen=True)
class Registry:
    """The control keys of one job."""

    client: redis.Redis
    job: str
    clock: Callable[[], datetime]
    _keys: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = ("live", "headers", "states", "partitions", "token", "loads", "ended")
        object.__setattr__(self, "_keys", {name: getattr(keyspace, f"{name}_key")(self.job) for name in names})

    def take_token(self, known_token: int) -> int:
        """Take the next fencing token, above ``known_token`` and above live's."""
        return int(self._run(scripts.TAKE, ["token", "live"], known_token))

    def begin(self, record: Record, known_token: int) -> str:
        """Take a token and enter a generation as loading; returns its name."""
        keys = ["token", "live", "states", "loads"]
        return str(self._run(scripts.BEGIN, keys, known_token, secrets.token_hex(2), record.to_json()))

    def update_record(self, generation: str, record: Record) -> None:
        """Replace what is known of a load, before its first data key."""
        with explained(self.client, self.job, record.partition):
            self.client.hset(self._keys["loads"], generation, record.to_json())

    def seal(self, header: Header) -> str:
        """Make a loading generation a verified one; returns ``verified`` or the reason against it."""
        arguments = (header.generation, header.to_json(), header.partition, header.token)
        return str(self._run(scripts.SEAL, ["states", "headers", "partitions"], *arguments))

    def flip(self, generation: str, token: int, allow_older_partition: bool) -> tuple[Result, str | None, str | None]:
        """Try to make a generation live: the result, the generation that was live, and what stood in the way."""
        arguments = (generation, token, int(allow_older_partition), self._now())
        reply = self._run(scripts.FLIP, ["live", "headers", "states", "ended"], *arguments)
        result, previous, reason = [*reply, None, None][:3]
        return cast("Result", result), previous, reason

    def reject(self, generation: str, partition: str | None, states: Iterable[State]) -> str:
        """Reject a generation that is in one of ``states`` and not live; returns the state that it is in then."""
        arguments = (generation, partition or "", self._now(), *states)
        return str(self._run(scripts.REJECT, ["live", "states", "partitions", "ended"], *arguments))

    def remove_data(self, generation: str, buckets: int) -> None:
        """Unlink a generation's data keys, by their names."""
        with explained(self.client, self.job):
            for start in range(0, buckets, UNLINKED_AT_ONCE):
                numbers = range(start, min(start + UNLINKED_AT_ONCE, buckets))
                self.client.unlink(*(keyspace.bucket_key(self.job, generation, number) for number in numbers))

    def forget(self, generation: str) -> None:
        """Remove a generation whose data is gone from the control keys."""
        # No MULTI here or below: a full Redis refuses it even for reads.  The state goes last, so that a broken attempt
        # is repeated.
        with explained(self.client, self.job), self.client.pipeline(transaction=False) as pipeline:
            for name in ("headers", "loads", "ended", "states"):
                pipeline.hdel(self._keys[name], generation)
            pipeline.execute()

    def read_live(self) -> Live | None:
        """What readers see; None if nothing is live.

        Raises:
            DamagedError: its header cannot be read.
        """
        with explained(self.client, self.job):
            live = cast("list[str | None]", self.client.hmget(self._keys["live"], ["token", "generation", "header"]))
        token, generation, header = live
        return Live(int(token), generation, Header.from_json(header)) if token and generation and header else None

    def read_header(self, generation: str) -> Header | None:
        """The header of a verified generation that is still kept."""
        with explained(self.client, self.job):
            text = cast("str | None", self.client.hget(self._keys["headers"], generation))
        return Header.from_json(text) if text else None

    def read_partitions(self) -> dict[str, str]:
        """Partition to its newest verified generation."""
        with explained(self.client, self.job):
            return cast("dict[str, str]", self.client.hgetall(self._keys["partitions"]))

    def read_generations(self) -> list[Generation]:
        """Every generation that Redis knows, newest token first."""
        with explained(self.client, self.job), self.client.pipeline(transaction=False) as pipeline:
            for name in ("states", "loads", "headers", "ended"):
                pipeline.hgetall(self._keys[name])
            states, loads, headers, ended = pipeline.execute()
        generations = [
            Generation(
                name=name,
                state=State(state),
                record=Record.from_json(loads[name]) if name in loads else None,
                header=Header.from_json(headers[name]) if name in headers else None,
                ended_at=datetime.fromtimestamp(float(ended[name]), UTC) if name in ended else None,
            )
            for name, state in states.items()
            if keyspace.token_of(name) is not None
        ]
        return sorted(generations, key=lambda generation: generation.token, reverse=True)

    def _now(self) -> str:
        return f"{self.clock().timestamp():.3f}"

    def _run(self, script: str, keys: list[str], *arguments: Any) -> Any:
        with explained(self.client, self.job):
            return self.client.register_script(script)(keys=[self._keys[name] for name in keys], args=arguments)
