"""The trial: kill or pause a publisher, publish again, tidy up; and again."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

import redis

from pipeline import keyspace
from pipeline.stores.predictions import PredictionStore
from trials.kill.publisher import JOB, REFUSED, STEPS, Attempt, Ending, FastClock, Publish, fork_publisher, publish
from trials.kill.readers import read_barely, read_until, read_with_reader

_CONTROL_BYTES = 4096
CONTROL_KEYS = ("live", "headers", "states", "partitions", "token", "loads", "ended", "released", "rejected", "pins")


@dataclass
class Trial:
    """A trial on an empty Redis.

    Attributes:
        work: what a publisher does; tests put in one that does it wrongly.
        paused_every: one in so many publishers is paused, not killed.
        killed: how many ended, by place.
        left: how many of these left which state behind.
        paused: publishers that were woken up after their successor had published.
        stale_flips: those of them that were not refused.
    """

    url: str
    work: Publish = publish
    seed: int = 7
    paused_every: int = 20
    killed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    paused: int = 0
    stale_flips: int = 0
    published: int = 0
    failures: list[str] = field(default_factory=list)
    clock: FastClock = field(default_factory=FastClock)

    def run(self, kills: int, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
        """Kill ``kills`` publishers; returns the report."""
        self._choice = random.Random(self.seed)
        self._store = PredictionStore(self.url, self._now)
        self._numbers = iter(range(1, 10**9))
        self._sizes = self._publish()
        with self._readers() as sightings:
            while self.killed.total() < kills:
                turn = self.killed.total() + self.paused
                if turn % self.paused_every == self.paused_every - 1:
                    self._pause()
                else:
                    self._kill(turn)
                self._store.prune(JOB)
                progress(self.killed.total())
        return self._report(sightings)

    def _now(self) -> datetime:
        return self.clock()

    def _publish(self) -> dict[str, Any]:
        """A publisher that nobody disturbs."""
        pid, pipe = self._fork(None)
        code, told = _wait_for(pid, pipe)
        if code or told.get("result") != "live":
            self.failures.append(f"an undisturbed publisher ended with {code}: {told}")
            if not self.published:
                raise RuntimeError(self.failures[0])
        self.published += 1
        return told

    def _kill(self, turn: int) -> None:
        before = self._live()
        attempt, ending = self._next_attempt(), self._choose_ending(turn)
        code, told = _wait_for(*self._fork(ending, attempt))
        if code == -signal.SIGKILL:
            self.killed[ending.describe()] += 1
            self.left[self._state_of(attempt)] += 1
        elif code:
            self.failures.append(f"a publisher that was to be killed {ending.describe()} ended with {code}: {told}")
        if self._live() not in {before, self._name_of(attempt)}:
            self.failures.append(f"{self._live()} is live after {before} and the killed {self._name_of(attempt)}")
        self._publish()

    def _pause(self) -> None:
        """Pause a publisher before it flips; wake it up when its successor has published."""
        ending = self._choose_pause()
        pid, pipe = self._fork(ending)
        _, status = os.waitpid(pid, os.WUNTRACED)
        self._publish()
        successor = self._live()
        if os.WIFSTOPPED(status):
            os.kill(pid, signal.SIGCONT)
            code, told = _wait_for(pid, pipe)
            self.paused += 1
            if code != REFUSED or self._live() != successor:
                self.stale_flips += 1
                self.failures.append(f"a publisher paused {ending.describe()} ended with {code}: {told}")
        else:
            self.failures.append(f"a publisher that was to be paused {ending.describe()} ended with {status}")

    def _choose_ending(self, turn: int) -> Ending:
        """Steps in turn; bytes by chance, of the first and last commands as often as of all the data."""
        if turn % 3 == 0:
            return Ending("step", STEPS[turn // 3 % len(STEPS)])
        kind: Literal["byte sent", "byte received"] = "byte sent" if turn % 3 == 1 else "byte received"
        size = self._sizes[kind]
        near = min(_CONTROL_BYTES, size)
        first, last = self._choice.choice([(1, size), (1, near), (size - near + 1, size)])
        return Ending(kind, self._choice.randint(first, last))

    def _choose_pause(self) -> Ending:
        """Between the first command, which takes the token, and the last, which flips."""
        if self.paused % 2 == 0:
            steps = STEPS[1:-1]
            return Ending("step", steps[self.paused // 2 % len(steps)], signal.SIGSTOP)
        size = self._sizes["byte sent"]
        return Ending("byte sent", self._choice.randint(size // 8, size * 7 // 8), signal.SIGSTOP)

    def _fork(self, ending: Ending | None, attempt: Attempt | None = None) -> tuple[int, int]:
        return fork_publisher(self.url, attempt or self._next_attempt(), self.clock, ending, self.work)

    def _next_attempt(self) -> Attempt:
        return Attempt(next(self._numbers))

    def _live(self) -> str | None:
        live = self._store.live(JOB)
        return live.generation if live else None

    def _name_of(self, attempt: Attempt) -> str | None:
        """The generation that an attempt sealed."""
        names = [
            item.name
            for item in self._store.generations(JOB)
            if item.header and item.header.model_version == str(attempt.number)
        ]
        return names[0] if names else None

    def _state_of(self, attempt: Attempt) -> str:
        newest = self._store.generations(JOB)[0]
        if newest.header is None:
            return newest.state.value
        return newest.state.value if newest.name == self._name_of(attempt) else "nothing"

    @contextmanager
    def _readers(self) -> Iterator[list[dict[str, Any]]]:
        """Processes that read while the body runs; what they saw is in the list afterwards."""
        kinds = [
            partial(read_with_reader, self.url, 1.0, self.seed),
            partial(read_with_reader, self.url, 0.0, self.seed + 1),
            partial(read_barely, self.url, self.seed + 2),
        ]
        context = multiprocessing.get_context("fork")
        sightings: list[dict[str, Any]] = []
        stop, started = context.Event(), []
        for kind in kinds:
            receiving, sending = context.Pipe(duplex=False)
            process = context.Process(target=read_until, args=(stop, sending, kind), daemon=True)
            process.start()
            sending.close()
            started.append((process, receiving))
        try:
            yield sightings
        finally:
            stop.set()
            for process, receiving in started:
                sightings.append(receiving.recv())
                process.join()

    def _report(self, sightings: list[dict[str, Any]]) -> dict[str, Any]:
        counts = {
            name: sum(seen[name] for seen in sightings)
            for name in ("reads", "mixed", "lost", "stale_flips", "unavailable")
        }
        counts["stale_flips"] += self.stale_flips
        return {
            "kills": self.killed.total(),
            **counts,
            "paused": self.paused,
            "published": self.published,
            "generations_seen": [seen["generations"] for seen in sightings],
            "left_over_keys": self._count_left_over(),
            "killed": dict(sorted(self.killed.items())),
            "left_behind": dict(sorted(self.left.items())),
            "failures": [*self.failures, *(example for seen in sightings for example in seen["examples"])][:20],
        }

    def _count_left_over(self) -> int:
        """Keys that the registry does not know, once the janitor has had its time."""
        for _ in range(2):
            self.clock = replace(self.clock, jumped=self.clock.jumped + timedelta(hours=3))
            self._store.prune(JOB, keep=1)
        with redis.Redis.from_url(self.url) as client:
            control = client.exists(*(getattr(keyspace, f"{name}_key")(JOB) for name in CONTROL_KEYS))
            kept = self._store.generations(JOB)
            known = sum(item.buckets + bool(item.header and item.header.priors) for item in kept)
            return int(client.dbsize() - control - known)


def _wait_for(pid: int, pipe: int) -> tuple[int, dict[str, Any]]:
    """The exit code of a publisher (negative: the signal that ended it), and what it told."""
    _, status = os.waitpid(pid, 0)
    with os.fdopen(pipe, "rb") as told:
        text = told.read()
    return os.waitstatus_to_exitcode(status), json.loads(text) if text else {}
