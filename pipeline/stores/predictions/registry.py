"""The control keys of a job: which generations there are, in which state, and the steps between states."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

import redis

from pipeline import keyspace
from pipeline.digests import canonical_json
from pipeline.keyspace import Header, State
from pipeline.stores.predictions import scripts
from pipeline.stores.predictions.decisions import Decision, Pin, Rejection
from pipeline.stores.predictions.masters import unlink_keys
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
        released: the token that it was last made live or kept with; its own if Redis does not know.
        pin: who wants it kept, if anybody.
    """

    name: str
    state: State
    record: Record | None
    header: Header | None
    ended_at: datetime | None
    released: int
    pin: Pin | None

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


Result = Literal["live", "kept", "token", "state", "header", "rejected", "newest"]

_CONTROL_KEYS = (
    "live",
    "headers",
    "states",
    "partitions",
    "token",
    "loads",
    "ended",
    "released",
    "rejected",
    "pins",
    "erasing",
)


@dataclass(frozen=True)
class Registry:
    """The control keys of one job."""

    client: redis.Redis
    job: str
    clock: Callable[[], datetime]
    _keys: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keys = {name: getattr(keyspace, f"{name}_key")(self.job) for name in _CONTROL_KEYS}
        object.__setattr__(self, "_keys", keys)

    def take_token(self, known_token: int) -> int:
        """Take the next fencing token, above ``known_token`` and above live's."""
        return int(self._run(scripts.TAKE, ["token", "live"], known_token))

    def read_token(self) -> int:
        """The last fencing token given out; 0 if Redis knows none."""
        with explained(self.client, self.job):
            return int(cast("str | None", self.client.get(self._keys["token"])) or 0)

    def begin(self, record: Record, known_token: int) -> str:
        """Take a token and enter a generation as loading; returns its name."""
        keys = ["token", "live", "states", "loads"]
        return str(self._run(scripts.BEGIN, keys, known_token, secrets.token_hex(2), record.to_json()))

    def restore(self, generation: str, record: Record, known_token: int) -> str:
        """Enter a generation that Redis lost as loading, under its own name; returns ``loading``, or its state."""
        keys = ["token", "headers", "states", "loads", "erasing"]
        return str(self._run(scripts.RESTORE, keys, generation, known_token, record.to_json()))

    def keep(self, generation: str, token: int, partition: str) -> None:
        """Say of a verified generation that it was kept, with ``token``, to be read by partition."""
        self._run(scripts.KEEP, ["states", "released", "partitions"], generation, token, partition)

    def retire(self, generation: str, token: int, state: State) -> None:
        """Say of a verified generation that it was live once, made so with ``token``, and is in ``state`` since."""
        self._run(scripts.RETIRE, ["states", "ended", "released"], generation, token, self._now(), state)

    def update_record(self, generation: str, record: Record) -> None:
        """Replace what is known of a load, before its first data key."""
        with explained(self.client, self.job, record.partition):
            self.client.hset(self._keys["loads"], generation, record.to_json())

    def seal(self, header: Header, run_id: str) -> str:
        """Make a loading generation a verified one, on the very server that it was read back from.

        Returns:
            ``verified``, or the reason against it; ``another server`` if one with another ``run_id`` has taken over.
        """
        keys = ["states", "headers", "partitions", "rejected", "live", "released"]
        arguments = (header.generation, header.to_json(), header.partition, header.token, header.inputs, run_id)
        return str(self._run(scripts.SEAL, keys, *arguments))

    def flip(
        self, generation: str, token: int, *, allow_older_partition: bool, allow_rejected: bool
    ) -> tuple[Result, str | None, str | None]:
        """Try to make a generation live: the result, the generation that was live, and what stood in the way."""
        keys = ["live", "headers", "states", "ended", "released", "partitions", "rejected"]
        arguments = (generation, token, self._now(), int(allow_older_partition), int(allow_rejected))
        reply = self._run(scripts.FLIP, keys, *arguments)
        result, previous, reason = [*reply, None, None][:3]
        return cast("Result", result), previous, reason

    def roll_back(self, leave: str, to: str, decision: Decision, known_token: int) -> list[str | None]:
        """Make ``to`` live in place of ``leave``.

        Returns:
            ``live``, the new token and the rejected generations; or ``moved`` and what is live instead of ``leave``; or
            ``state`` and the state of ``to``, which is not one to return to.
        """
        keys = ["live", "headers", "states", "ended", "released", "partitions", "token", "rejected"]
        arguments = (leave, to, known_token, self._now(), decision.to_json()[1:])
        return cast("list[str | None]", self._run(scripts.ROLLBACK, keys, *arguments))

    def reject(self, generation: str, partition: str | None, states: Iterable[State]) -> str:
        """Reject a generation that is in one of ``states`` and neither live nor pinned, before its data is removed.

        Returns:
            The state that it is in then, or ``pinned``, or ``unknown``.
        """
        keys = ["live", "headers", "states", "ended", "partitions", "pins"]
        return str(self._run(scripts.REJECT, keys, generation, partition or "", self._now(), *states))

    def pin(self, generation: str, pin: Pin) -> str:
        """Keep a generation that has all of its data; returns ``pinned`` or its state."""
        return str(self._run(scripts.PIN, ["headers", "states", "pins"], generation, pin.to_json()))

    def unpin(self, generation: str) -> bool:
        """Take a pin out; returns whether there was one."""
        with explained(self.client, self.job):
            return bool(self.client.hdel(self._keys["pins"], generation))

    def read_rejections(self) -> dict[str, Rejection]:
        """What was rolled back, by the digest of its inputs."""
        with explained(self.client, self.job):
            found = cast("dict[str, str]", self.client.hgetall(self._keys["rejected"]))
        return {inputs: Rejection.from_json(text) for inputs, text in found.items()}

    def write_rejections(self, rejections: Mapping[str, Rejection]) -> None:
        """Enter what was rolled back, for a Redis that lost it."""
        with explained(self.client, self.job):
            for inputs, rejection in rejections.items():
                self.client.hset(self._keys["rejected"], inputs, rejection.to_json())

    def remove_data(self, generation: str, buckets: int) -> None:
        """Unlink a generation's data keys, by their names."""
        with explained(self.client, self.job):
            numbers = range(keyspace.MAX_REASON_BUCKETS)
            reasons = [keyspace.reasons_key(self.job, generation, number) for number in numbers]
            unlink_keys(self.client, [keyspace.prior_key(self.job, generation), *reasons])
            for start in range(0, buckets, UNLINKED_AT_ONCE):
                numbers = range(start, min(start + UNLINKED_AT_ONCE, buckets))
                unlink_keys(self.client, [keyspace.bucket_key(self.job, generation, number) for number in numbers])

    def forget(self, generation: str) -> None:
        """Remove a generation whose data is gone from the control keys."""
        # No MULTI here or below: a full Redis refuses it even for reads.  The state goes last, so that a broken attempt
        # is repeated.
        with explained(self.client, self.job), self.client.pipeline(transaction=False) as pipeline:
            for name in ("headers", "loads", "ended", "released", "erasing", "states"):
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
        text = self.read_header_text(generation)
        return Header.from_json(text) if text else None

    def read_header_text(self, generation: str) -> str | None:
        """The same as the JSON text that is there."""
        with explained(self.client, self.job):
            return cast("str | None", self.client.hget(self._keys["headers"], generation))

    def read_erasure(self, generation: str) -> str | None:
        """The entity that is being erased from a generation, and is not counted out of its header yet."""
        with explained(self.client, self.job):
            return cast("str | None", self.client.hget(self._keys["erasing"], generation))

    def begin_erasure(self, generation: str, header: str, entity_id: str) -> bool:
        """Write down what is being erased; False while another one is, or if the header is not ``header`` any more."""
        return bool(self._run(scripts.BEGIN_ERASURE, ["headers", "erasing"], generation, header, entity_id))

    def end_erasure(self, generation: str, entity_id: str, before: str, after: str) -> bool:
        """Replace the header, in ``live`` too, unless that was done before; False if it is not ``before`` any more."""
        keys = ["headers", "live", "erasing"]
        return bool(self._run(scripts.END_ERASURE, keys, generation, entity_id, before, after))

    def read_partitions(self) -> dict[str, str]:
        """Partition to its newest verified generation."""
        with explained(self.client, self.job):
            return cast("dict[str, str]", self.client.hgetall(self._keys["partitions"]))

    def read_generations(self) -> list[Generation]:
        """Every generation that Redis knows, newest token first."""
        with explained(self.client, self.job), self.client.pipeline(transaction=False) as pipeline:
            for name in ("states", "loads", "headers", "ended", "released", "pins"):
                pipeline.hgetall(self._keys[name])
            states, loads, headers, ended, released, pins = pipeline.execute()
        generations = [
            Generation(
                name=name,
                state=State(state),
                record=Record.from_json(loads[name]) if name in loads else None,
                header=Header.from_json(headers[name]) if name in headers else None,
                ended_at=datetime.fromtimestamp(float(ended[name]), UTC) if name in ended else None,
                released=int(released.get(name) or keyspace.token_of(name) or 0),
                pin=Pin.from_json(pins[name]) if name in pins else None,
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
