"""What readers ask of Redis and make of its replies, without talking to it.

A look-up is a generator: it yields lists of commands, is sent their replies, and returns its answer.  Who runs it, see
:mod:`pipeline.serving.connection`, decides whether that blocks or awaits.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from pipeline import keyspace
from pipeline.errors import DamagedError
from pipeline.keyspace import Header
from pipeline.serving.answers import Prediction, Source, is_stale
from pipeline.serving.errors import PartitionNotKept, Unhealthy

Answer = TypeVar("Answer")
Command = tuple[str, ...]
Steps = Generator[Sequence[Command], Any, Answer]

LOOKS = 4
_CONTROL: dict[str, Callable[[str], str]] = {
    "live": keyspace.live_key,
    "states": keyspace.states_key,
    "headers": keyspace.headers_key,
    "partitions": keyspace.partitions_key,
    "pins": keyspace.pins_key,
}


@dataclass(frozen=True)
class Live:
    """What readers see: the fencing token that made it so, and its header."""

    token: int
    header: Header

    def is_before(self, seen: Live) -> bool:
        """Whether a store that has had ``seen`` went back in time; ``rows`` of a header differ after an erasure."""
        is_other = self.header.generation != seen.header.generation
        return self.token < seen.token or (self.token == seen.token and is_other)


class Lookups:
    """The look-ups of one job, and what must be remembered between them.

    Args:
        address: where Redis is, for messages.
        clock: tells the time, with its zone.
        live_seconds: how long ``live`` may be kept before it is looked up again.
        monotonic: seconds that only grow, to measure that.
    """

    def __init__(
        self,
        job: str,
        *,
        address: Callable[[], str],
        clock: Callable[[], datetime],
        live_seconds: float,
        monotonic: Callable[[], float],
    ) -> None:
        self.job = job
        self._address = address
        self._clock = clock
        self._live_seconds = live_seconds
        self._monotonic = monotonic
        self._kept: tuple[float, Header] | None = None
        self._seen: Live | None = None
        self._lock = threading.Lock()

    def find_predictions(
        self, ids: Sequence[str], segments: Mapping[str, str], partition: str | None
    ) -> Steps[dict[str, Prediction]]:
        """Answers by entity id, all of one generation."""
        _, answers = yield from self.find_with_header(ids, segments, partition)
        return answers

    def find_with_header(
        self, ids: Sequence[str], segments: Mapping[str, str], partition: str | None
    ) -> Steps[tuple[Header, dict[str, Prediction]]]:
        """The same, and the header of that generation."""
        header = yield from self.find_header(partition, fresh=False)
        texts = yield from self._look(header, ids)
        priors: dict[str, str] = {}
        if None in texts.values():
            header, texts, priors = yield from self._look_again(partition, ids, segments)
        answers = {}
        for entity_id, text in texts.items():
            prior = priors.get(segments.get(entity_id, ""), priors.get("")) if text is None else None
            answers[entity_id] = self._answer(header, entity_id, text, prior)
        return header, answers

    def read_live(self) -> Steps[Live]:
        """What is live.

        Raises:
            Unhealthy: nothing is, its header cannot be read, or the store went back behind what was seen before.
        """
        seen = self._seen
        (reply,) = yield [self._ask_live()]
        return self._parse_live(reply, seen)

    def read_control(self) -> Steps[dict[str, dict[str, str]]]:
        """Everything that the control hashes hold: ``live``, ``states``, ``headers``, ``partitions`` and ``pins``."""
        replies = yield [("HGETALL", key(self.job)) for key in _CONTROL.values()]
        return {
            name: {str(_text(field)): str(_text(value)) for field, value in reply.items()}
            for name, reply in zip(_CONTROL, replies, strict=True)
        }

    def parse_header(self, text: str) -> Header:
        """A header; :class:`Unhealthy` if it is none."""
        try:
            return Header.from_json(text)
        except DamagedError as error:
            raise self._unhealthy(error.problem, str(error.expected), str(error.next_step), error.found) from error

    def find_header(self, partition: str | None, *, fresh: bool) -> Steps[Header]:
        """The header to read with: of what is live, looked up anew if it must be ``fresh``, or of a partition."""
        if partition is not None:
            return (yield from self._read_partition(partition))
        now, kept = self._monotonic(), self._kept
        if not fresh and kept is not None and now - kept[0] < self._live_seconds:
            return kept[1]
        live = yield from self.read_live()
        self._kept = (now, live.header)
        return live.header

    def _read_partition(self, partition: str) -> Steps[Header]:
        """The header of ``partition``'s newest verified generation."""
        generation = yield from self._read_pointer(partition)
        while generation is not None:
            (reply,) = yield [("HGET", keyspace.headers_key(self.job), generation)]
            header = _text(reply)
            # A superseded generation may be removed between the two look-ups.
            latest = generation if header else (yield from self._read_pointer(partition))
            if latest == generation:
                return self._check_header(header, generation)
            generation = latest
        raise PartitionNotKept(
            "no generation of this partition is kept",
            job=self.job,
            partition=partition,
            expected="a partition that was published and is still kept",
            next_step="see `nightjar releases`, or run the partition again",
        )

    def _read_pointer(self, partition: str) -> Steps[str | None]:
        """The generation of ``partition``, in a store that is well: something is live in it."""
        seen = self._seen
        live, generation = yield [self._ask_live(), ("HGET", keyspace.partitions_key(self.job), partition)]
        self._parse_live(live, seen)
        return _text(generation)

    def _look(self, header: Header, ids: Sequence[str]) -> Steps[dict[str, str | None]]:
        """JSON text by entity id; None for what is not there, for whatever reason."""
        wanted = group_by_bucket(ids, header.buckets)
        replies = yield [("HMGET", self._bucket(header, bucket), *names) for bucket, names in wanted.items()]
        return arrange(ids, wanted, replies)

    def _look_again(
        self, partition: str | None, ids: Sequence[str], segments: Mapping[str, str]
    ) -> Steps[tuple[Header, dict[str, str | None], dict[str, str]]]:
        """Look with a fresh header: a miss that remains is one, a missing bucket that remains is damage."""
        for _ in range(LOOKS):
            header = yield from self.find_header(partition, fresh=True)
            wanted = group_by_bucket(ids, header.buckets)
            keys = [self._bucket(header, bucket) for bucket in wanted]
            asked = sorted({segments.get(entity_id, "") for entity_id in ids} | {""}) if header.priors else []
            prior_key = keyspace.prior_key(self.job, header.generation)
            replies = yield [
                *(("HMGET", key, *names) for key, names in zip(keys, wanted.values(), strict=True)),
                *(("EXISTS", key) for key in keys),
                *([("HMGET", prior_key, *asked)] if asked else []),
            ]
            priors = dict(zip(asked, map(_text, replies[-1]), strict=True)) if asked else {}
            is_whole = all(replies[len(keys) : 2 * len(keys)])
            if is_whole and (not asked or priors[""] is not None):
                texts = arrange(ids, wanted, replies[: len(keys)])
                return header, texts, {name: text for name, text in priors.items() if text is not None}
            if (yield from self.find_header(partition, fresh=True)).generation == header.generation:
                raise self.damaged(header, "the hash of priors is gone" if is_whole else "a bucket is gone")
        raise self.restless()

    def _answer(self, header: Header, entity_id: str, text: str | None, prior: str | None) -> Prediction:
        age = self._clock() - header.cutoff
        source: Source = "stale" if is_stale(header, age) else "fresh"
        if text is None:
            text, source = prior, "missing" if prior is None else "prior"
        return Prediction(
            entity_id=entity_id,
            value=None if text is None else self.parse_value(header, text),
            source=source,
            model_version=header.model_version,
            partition=header.partition,
            generation=header.generation,
            cutoff=header.cutoff,
            age=age,
            columns=header.columns,
            caveats=header.caveats,
        )

    def _ask_live(self) -> Command:
        return "HMGET", keyspace.live_key(self.job), "token", "generation", "header"

    def _bucket(self, header: Header, bucket: int) -> str:
        return keyspace.bucket_key(self.job, header.generation, bucket)

    def _parse_live(self, reply: Sequence[Any], seen: Live | None) -> Live:
        """Take ``live`` apart; ``seen`` is what had been seen before it was asked for."""
        token, generation, text = (_text(value) for value in reply)
        again = "publish again, or restore what the lake has; Redis may have lost its data"
        if generation is None:
            raise self._unhealthy("nothing is live", "a live generation", again)
        if token is None or not token.isascii() or not token.isdigit():
            raise self._unhealthy("what is live has no token", "a fencing token", again, repr(token))
        live = Live(int(token), self._check_header(text, generation))
        if seen is not None and live.is_before(seen):
            expected = f"token {seen.token} with {seen.header.generation}, or a higher one"
            raise self._unhealthy("the store went back in time", expected, again, f"{token} with {generation}")
        with self._lock:
            if self._seen is None or live.token > self._seen.token:
                self._seen = live
        return live

    def _check_header(self, text: str | None, generation: str) -> Header:
        if text is None:
            raise self._unhealthy("a header is gone", f"the header of {generation}", "publish the partition again")
        header = self.parse_header(text)
        if (header.job, header.generation) != (self.job, generation):
            found = f"that of {header.generation} of {header.job}"
            raise self._unhealthy("a header is wrong", f"that of {generation}", "publish the partition again", found)
        return header

    def parse_value(self, header: Header, text: str) -> Any:
        """What a generation holds of an entity; :class:`Unhealthy` if it is no JSON."""
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._unhealthy(
                "a prediction is no JSON", f"JSON in {header.generation}", "publish the partition again", str(error)
            ) from error

    def restless(self) -> Unhealthy:
        """The error for a store that changes faster than it can be read."""
        return self._unhealthy(
            "generations come and go faster than they can be read", "one that stays", "look for publishers in a loop"
        )

    def damaged(self, header: Header, problem: str) -> Unhealthy:
        """The error for a generation of which something is gone."""
        hashes = f"{header.buckets} buckets, {header.priors} priors and {header.reason_buckets} hashes of reasons"
        expected = f"{hashes} of {header.generation}"
        return self._unhealthy(problem, expected, "publish the partition again")

    def _unhealthy(self, problem: str, expected: str, next_step: str, found: str | None = None) -> Unhealthy:
        return Unhealthy(
            f"{problem} in Redis at {self._address()}",
            job=self.job,
            expected=expected,
            found=found or "none",
            next_step=next_step,
        )


def group_by_bucket(ids: Sequence[str], buckets: int) -> dict[int, list[str]]:
    """The ids by the bucket, of so many, that each is in."""
    wanted: dict[int, list[str]] = {}
    for entity_id in ids:
        wanted.setdefault(keyspace.bucket_of(entity_id, buckets), []).append(entity_id)
    return wanted


def arrange(ids: Sequence[str], wanted: Mapping[int, list[str]], replies: Sequence[Any]) -> dict[str, str | None]:
    """Replies by entity id, in the order asked for."""
    found: dict[str, str | None] = {}
    for names, texts in zip(wanted.values(), replies, strict=True):
        found.update(zip(names, map(_text, texts), strict=True))
    return {entity_id: found[entity_id] for entity_id in ids}


def _text(value: Any) -> str | None:
    """A reply as text, whether or not the application's client decodes replies."""
    return value.decode() if isinstance(value, bytes) else cast("str | None", value)
