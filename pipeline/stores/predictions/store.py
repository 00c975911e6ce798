"""Publishing predictions: what the publish stage and operators ask of Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.errors import BadInputError, RefusedError
from pipeline.keyspace import Header, State, choose_buckets
from pipeline.stores.predictions.checks import check_server
from pipeline.stores.predictions.load import Load
from pipeline.stores.predictions.registry import Generation, Live, Record, Registry

# A load takes seconds a million rows.  One that was begun this long ago, and has a successor, is given up for dead.
ABANDONED_AFTER = timedelta(hours=1)
# The comparison of what was read back is one of RESP2 bytes, and control keys are text.
_CONVERSATION: dict[str, Any] = {
    "protocol": 2,
    "decode_responses": True,
    "encoding": "utf-8",
    "encoding_errors": "strict",
}
# Partitions whose newest generation is kept: a week of nights, and as many that were loaded last (backfills).
KEPT_PARTITIONS = 7
# Readers keep `live` for a second; they may hold a generation that long, and be slow.
KEPT_FOR_READERS = timedelta(minutes=10)


@dataclass(frozen=True)
class Flip:
    """What a flip did.

    Attributes:
        result: ``live``, or ``kept`` for an older partition than the live one: stored and readable by partition.
        generation: the one that was asked for.
        previous: the generation that was live before, if any.
    """

    result: Literal["live", "kept"]
    generation: str
    previous: str | None


class PredictionStore:
    """The predictions of every job in one Redis.

    Args:
        url: of Redis, with user, password, TLS and database as redis-py reads them; what it says of the protocol and
            the encoding does not count.
        clock: tells the time, with its zone.
    """

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._client = redis.Redis.from_url(
            _drop_options(url),
            **_CONVERSATION,
            socket_timeout=30,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 1),  # every step may be repeated; waiting is the scheduler's business
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def begin(
        self,
        job: str,
        partition: str,
        rows: int,
        shards: int,
        known_token: int = 0,
        *,
        decimals: int | None = None,
        gather: bool = False,
    ) -> Load:
        """Begin to load a generation of ``rows`` entities that come in ``shards``.

        Also abandons loads of older tokens that were begun more than an hour ago and never ended.

        Args:
            known_token: the highest token that the lake knows, in case Redis lost its own.
            decimals: digits that floats are rounded to; None publishes them as they are.
            gather: collect all rows and choose the buckets by their ids, which needs the memory, for ids whose
                checksums are so uneven that a bucket would be empty (:class:`UnevenIdsError`).  A small load does so
                anyhow.

        Raises:
            BadInputError: there are no rows, or the partition is not a date.
            UnavailableError, RefusedError: Redis does not take it.
        """
        _check_partition(job, partition)
        if rows < 1:
            raise BadInputError(
                "there is nothing to publish",
                job=job,
                partition=partition,
                expected="one row or more",
                found=f"{rows} rows",
                next_step="find out where the population went",
            )
        registry = self._registry(job)
        record = Record(partition, rows, self._clock(), None if gather else choose_buckets(rows, shards))
        load = Load(registry, registry.begin(record, known_token), record, decimals)
        self._abandon_superseded(registry, load.token)
        return load

    def take_token(self, job: str, known_token: int = 0) -> int:
        """Take a fencing token, for making a generation live that was loaded with an older one."""
        return self._registry(job).take_token(known_token)

    def flip(self, job: str, generation: str, token: int, allow_older_partition: bool = False) -> Flip:
        """Make a verified generation live, by one compare-and-set in Redis.

        A repeated flip of what this token already made live is no error.

        Raises:
            RefusedError: the token is not higher than live's, or the generation is not verified.
            UnavailableError: Redis does not take it.
        """
        result, previous, reason = self._registry(job).flip(generation, token, allow_older_partition)
        if result not in ("live", "kept"):
            raise _refuse_flip(job, generation, token, result, reason, previous)
        return Flip(result, generation, previous)

    def live(self, job: str) -> Live | None:
        """What readers see."""
        return self._registry(job).read_live()

    def header(self, job: str, generation: str) -> Header | None:
        """The header of a verified generation that is kept."""
        return self._registry(job).read_header(generation)

    def generations(self, job: str) -> list[Generation]:
        """Every generation that Redis knows, newest first."""
        return self._registry(job).read_generations()

    def prune(self, job: str, keep: int = KEPT_PARTITIONS) -> list[str]:
        """Remove superseded generations and return their names; the keyspace is never scanned.

        Kept are: live; the one before, for rollback; the newest of each of the last ``keep`` partitions and of the
        ``keep`` partitions that were loaded last (backfills); what retired less than ten minutes ago; what is loading;
        what a publisher may be about to make live, since its token is higher than live's; and the
        newest of a partition of which an older one is kept, so that reading by partition never finds that one gone.
        """
        registry = self._registry(job)
        live = registry.read_live()
        newest = registry.read_partitions()
        kept = _newest_of_partitions(newest, keep)
        generations = registry.read_generations()
        kept |= set(_previous(generations))
        removed: list[str] = []
        held: set[str | None] = set()
        for generation in sorted(generations, key=lambda item: item.token):
            removable = generation.name not in kept and self._is_superseded(generation, live.token if live else 0)
            is_read = generation.name in newest.values() and generation.partition in held
            if not removable or is_read:
                held |= {generation.partition} if generation.header is not None else set()
                continue
            states = [State.VERIFIED, State.RETIRED, State.REJECTED]
            if registry.reject(generation.name, generation.partition, states) == State.REJECTED:
                registry.remove_data(generation.name, generation.buckets)
                registry.forget(generation.name)
                removed.append(generation.name)
        return removed

    def check(self) -> dict[str, Any]:
        """What `nightjar doctor` shows of this Redis; ``problems`` lists what must be mended, in words."""
        return check_server(self._client)

    def _registry(self, job: str) -> Registry:
        return Registry(self._client, job, self._clock)

    def _is_superseded(self, generation: Generation, live_token: int) -> bool:
        now = self._clock()
        if generation.state is State.RETIRED:
            return generation.ended_at is None or now - generation.ended_at > KEPT_FOR_READERS
        if generation.state is State.REJECTED:
            # Its publisher may be paused, and write on when it wakes up.
            return generation.ended_at is None or now - generation.ended_at > ABANDONED_AFTER
        return generation.state is State.VERIFIED and generation.token < live_token

    def _abandon_superseded(self, registry: Registry, token: int) -> None:
        for generation in registry.read_generations():
            record = generation.record
            if generation.state is not State.LOADING or generation.token >= token or record is None:
                continue
            if self._clock() - record.begun_at <= ABANDONED_AFTER:
                continue
            # It may have been sealed since it was listed, and be what readers see.
            if registry.reject(generation.name, record.partition, [State.LOADING]) == State.REJECTED:
                registry.remove_data(generation.name, generation.buckets)


def _drop_options(url: str) -> str:
    """``url`` without the options that would win over those of :data:`_CONVERSATION`."""
    address, _, options = url.partition("?")
    kept = [(name, value) for name, value in parse_qsl(options) if name not in _CONVERSATION]
    return f"{address}?{urlencode(kept)}"


def _check_partition(job: str, partition: str) -> None:
    """Flips compare partitions as text, which goes by date in this form alone."""
    try:
        is_date = date.fromisoformat(partition).isoformat() == partition
    except ValueError:
        is_date = False
    if not is_date:
        raise BadInputError(
            "this is not a partition",
            job=job,
            partition=partition,
            expected="a date, YYYY-MM-DD",
            found=repr(partition),
            next_step="name the day of upstream data",
        )


def _newest_of_partitions(partitions: dict[str, str], keep: int) -> set[str]:
    by_date = [partitions[partition] for partition in sorted(partitions, reverse=True)]
    by_token = sorted(partitions.values(), key=lambda name: int(name.split("-")[0]), reverse=True)
    return {*by_date[:keep], *by_token[:keep]}


def _previous(generations: list[Generation]) -> list[str]:
    """The generation that was live before the live one: the one that was retired last."""
    retired = [
        (item.ended_at, item.token, item.name) for item in generations if item.state is State.RETIRED and item.ended_at
    ]
    return [max(retired)[2]] if retired else []


def _refuse_flip(
    job: str, generation: str, token: int, result: str, reason: str | None, live: str | None
) -> RefusedError:
    expected, found = {
        "token": (f"a token higher than live's, {reason}", f"token {token}"),
        "state": ("a verified generation", f"its state is {reason or 'not known'}"),
    }.get(result, ("a generation with a header", "none"))
    return RefusedError(
        f"generation {generation} was not made live; readers still see {live or 'nothing'}",
        job=job,
        expected=expected,
        found=found,
        next_step="nothing if a newer run has published; else publish the partition again",
    )
