"""A publisher that ends where it is told to: between two steps, or after a byte on the wire."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from pipeline.errors import RefusedError
from pipeline.keyspace import shard_of
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load  # imported before the fork, or every publisher would pay for it

JOB = "under_fire"
SHARDS = 4
COMMON = tuple(f"parcel {number:05d}" for number in range(2000))
"""Entities of every generation."""
PASSING_KINDS = 5
STEPS = (
    "start",
    "begun",
    *(f"shard {shard} sent" for shard in range(SHARDS)),
    "priors sent",
    "read back",
    "sealed",
    "live",
)
REFUSED = 3

Publish = Callable[[str, "Attempt", Callable[[], datetime], Callable[[str], None]], dict[str, Any]]


@dataclass(frozen=True)
class FastClock:
    """A clock on which an hour passes in twelve seconds, the same in every process.

    What must be kept for ten minutes is kept for two seconds then: longer than readers may keep `live`.
    """

    started: float = field(default_factory=time.monotonic)
    jumped: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Now."""
        return datetime(2013, 4, 2, tzinfo=UTC) + 300 * timedelta(seconds=time.monotonic() - self.started) + self.jumped


@dataclass(frozen=True)
class Attempt:
    """One publisher; its number is the value of all its predictions, and the model version that made them."""

    number: int

    @property
    def partition(self) -> str:
        """Ten attempts belong to a partition."""
        return (date(2013, 4, 1) + timedelta(days=self.number // 10)).isoformat()

    @property
    def entity_ids(self) -> list[str]:
        """Those of all generations, and some that come and go."""
        return [*COMMON, *(f"passing {self.number % PASSING_KINDS} {number}" for number in range(200))]

    def make_tables(self) -> list[pa.Table]:
        """One table a shard."""
        shards: list[list[str]] = [[] for _ in range(SHARDS)]
        for entity_id in self.entity_ids:
            shards[shard_of(entity_id, SHARDS)].append(entity_id)
        return [pa.table({"entity_id": ids, "score": [self.number] * len(ids)}) for ids in shards]


@dataclass(frozen=True)
class Ending:
    """Where a publisher ends, or is paused.

    Attributes:
        kind: between steps, or after a byte sent or received.
        at: the step that it has just done, or the number of bytes.
    """

    kind: Literal["step", "byte sent", "byte received"]
    at: str | int
    stop: signal.Signals = signal.SIGKILL

    def describe(self) -> str:
        """For counting: bytes are not told apart."""
        return f"after {self.at!r}" if self.kind == "step" else f"after a {self.kind}"


def publish(url: str, attempt: Attempt, clock: Callable[[], datetime], reach: Callable[[str], None]) -> dict[str, Any]:
    """Load a generation, read it back, seal it and make it live; ``reach`` is told of every step."""
    store = PredictionStore(url, clock)
    tables = attempt.make_tables()
    reach("start")
    load = store.begin(JOB, attempt.partition, sum(map(len, tables)), SHARDS)
    reach("begun")
    _fill(load, tables, attempt.number, reach)
    header = load.make_header(
        cutoff=clock(),
        model_version=str(attempt.number),
        feature_set="under_fire@1",
        columns=("score",),
        max_age_seconds=None,
        manifest="",
        inputs=str(attempt.number),
    )
    load.seal(header)
    reach("sealed")
    flip = store.flip(JOB, load.generation, load.token)
    reach("live")
    return {"generation": load.generation, "result": flip.result}


def _fill(load: Load, tables: Sequence[pa.Table], prior: int, reach: Callable[[str], None]) -> None:
    for shard, table in enumerate(tables):
        load.send(table)
        reach(f"shard {shard} sent")
    load.send_priors({"": prior})
    reach("priors sent")
    load.read_back()
    reach("read back")


def fork_publisher(
    url: str, attempt: Attempt, clock: Callable[[], datetime], ending: Ending | None, work: Publish = publish
) -> tuple[int, int]:
    """Fork a publisher; returns its process id, and a pipe on which it tells how it went, if it lives to."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        meter = Meter(ending)
        meter.install()
        told = work(url, attempt, clock, meter.reach)
        os.write(writing, json.dumps(told | {"byte sent": meter.sent, "byte received": meter.received}).encode())
        code = 0
    except RefusedError as error:
        os.write(writing, json.dumps({"refused": str(error)}).encode())
        code = REFUSED
    except Exception as error:  # noqa: BLE001 - the parent reports it
        os.write(writing, json.dumps({"error": f"{type(error).__name__}: {error}"}).encode())
    finally:
        os._exit(code)


class Meter:
    """Counts what this process sends and receives, and ends it where it is told to."""

    def __init__(self, ending: Ending | None) -> None:
        self.sent = 0
        self.received = 0
        self._ending = ending
        self._lock = threading.Lock()

    def reach(self, step: str) -> None:
        """A step was done."""
        if self._ending == Ending("step", step, self._ending.stop if self._ending else signal.SIGKILL):
            self._end()

    def install(self) -> None:
        """Put the meter into every socket of this process, which must be one that ends soon."""
        send, receive, receive_into = socket.socket.send, socket.socket.recv, socket.socket.recv_into

        def metered_send(self_: socket.socket, data: Any, *flags: int) -> int:
            with self._lock:
                part = memoryview(data)[: self._left("byte sent", self.sent)]
                count = send(self_, part, *flags)
                self.sent += count
                self._end_if_due("byte sent", self.sent)
            return count

        def metered_sendall(self_: socket.socket, data: Any, *flags: int) -> None:
            rest = memoryview(data)
            while rest:
                rest = rest[metered_send(self_, rest, *flags) :]

        def metered_recv(self_: socket.socket, size: int, *flags: int) -> bytes:
            part = receive(self_, min(size, self._left("byte received", self.received) or size), *flags)
            self._count_received(len(part))
            return part

        def metered_recv_into(self_: socket.socket, buffer: Any, size: int = 0, *flags: int) -> int:
            count = receive_into(self_, buffer, size, *flags)
            self._count_received(count)
            return count

        for name, metered in (
            ("send", metered_send),
            ("sendall", metered_sendall),
            ("recv", metered_recv),
            ("recv_into", metered_recv_into),
        ):
            setattr(socket.socket, name, metered)

    def _count_received(self, count: int) -> None:
        with self._lock:
            self.received += count
            self._end_if_due("byte received", self.received)

    def _left(self, kind: str, done: int) -> int | None:
        """Bytes until the end; None if it does not end by them."""
        ending = self._ending
        return max(1, int(ending.at) - done) if ending is not None and ending.kind == kind else None

    def _end_if_due(self, kind: str, done: int) -> None:
        if self._ending is not None and self._ending.kind == kind and done >= int(self._ending.at):
            self._end()

    def _end(self) -> None:
        ending, self._ending = self._ending, None  # who is only paused goes on afterwards
        if ending is not None:
            os.kill(os.getpid(), ending.stop)
