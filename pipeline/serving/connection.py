"""The commands that readers send, with errors of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline import keyspace
from pipeline.errors import DamagedError
from pipeline.keyspace import Header
from pipeline.serving.errors import StoreUnavailable, Unhealthy


class Connection:
    """One job's keys in Redis, through a URL or a client that the application already has."""

    def __init__(self, url_or_client: str | redis.Redis, job: str) -> None:
        self.job = job
        self._client = _connect(url_or_client) if isinstance(url_or_client, str) else url_or_client
        self._owned = isinstance(url_or_client, str)

    def close(self) -> None:
        """Close what :class:`Connection` opened itself."""
        if self._owned:
            self._client.close()

    def read_live(self) -> Header:
        """The header of what readers see.

        Raises:
            Unhealthy: nothing is live, or the header cannot be read.
        """
        with self._explained():
            reply = self._client.hmget(keyspace.live_key(self.job), ["generation", "header"])
        return self._parse_live(reply)

    def read_partition(self, partition: str) -> Header | None:
        """The header of ``partition``'s newest verified generation; None if no generation of it is kept.

        Raises:
            Unhealthy: nothing is live, or the header is gone or cannot be read.
        """
        generation = self._read_pointer(partition)
        while generation is not None:
            with self._explained():
                header = _text(self._client.hget(keyspace.headers_key(self.job), generation))
            # A superseded generation may be removed between the two look-ups.
            latest = generation if header else self._read_pointer(partition)
            if latest == generation:
                return self._parse_header(header, generation)
            generation = latest
        self.read_live()
        return None

    def _read_pointer(self, partition: str) -> str | None:
        with self._explained():
            return _text(self._client.hget(keyspace.partitions_key(self.job), partition))

    def read_entries(self, header: Header, wanted: Mapping[int, Sequence[str]]) -> dict[int, list[str | None] | None]:
        """Predictions as JSON text by bucket, in the order of the ids asked for; None for a bucket that is missing."""
        with self._explained(), self._client.pipeline(transaction=False) as pipeline:
            for bucket, ids in wanted.items():
                key = keyspace.bucket_key(self.job, header.generation, bucket)
                pipeline.hmget(key, list(ids))
                pipeline.exists(key)
            replies = pipeline.execute()
        return {
            bucket: [_text(value) for value in values] if exists else None
            for bucket, values, exists in zip(wanted, replies[::2], replies[1::2], strict=True)
        }

    def read_control(self) -> dict[str, dict[str, str]]:
        """Everything that the control hashes hold: ``live``, ``states``, ``headers`` and ``partitions``."""
        names: dict[str, Callable[[str], str]] = {
            "live": keyspace.live_key,
            "states": keyspace.states_key,
            "headers": keyspace.headers_key,
            "partitions": keyspace.partitions_key,
        }
        # No MULTI: a full Redis refuses it even for reads.
        with self._explained(), self._client.pipeline(transaction=False) as pipeline:
            for key in names.values():
                pipeline.hgetall(key(self.job))
            replies = pipeline.execute()
        return {
            name: {str(_text(field)): str(_text(value)) for field, value in reply.items()}
            for name, reply in zip(names, replies, strict=True)
        }

    def _parse_live(self, reply: Sequence[Any]) -> Header:
        generation, header = (_text(value) for value in reply)
        if generation is None:
            raise self.unhealthy("nothing is live", "a live generation", "publish again; Redis may have lost its data")
        return self._parse_header(header, generation)

    def _parse_header(self, text: str | None, generation: str) -> Header:
        if text is None:
            raise self.unhealthy("a header is gone", f"the header of {generation}", "publish the partition again")
        try:
            header = Header.from_json(text)
        except DamagedError as error:
            raise self.unhealthy(error.problem, str(error.expected), str(error.next_step), error.found) from error
        if (header.job, header.generation) != (self.job, generation):
            found = f"that of {header.generation} of {header.job}"
            raise self.unhealthy("a header is wrong", f"that of {generation}", "publish the partition again", found)
        return header

    def unhealthy(self, problem: str, expected: str, next_step: str, found: str | None = None) -> Unhealthy:
        """The error for a store that answers but cannot be trusted."""
        return Unhealthy(
            f"{problem} in Redis at {self._address()}",
            job=self.job,
            expected=expected,
            found=found or "none",
            next_step=next_step,
        )

    def _address(self) -> str:
        pool = getattr(self._client, "connection_pool", None)
        return keyspace.describe_address(pool.connection_kwargs) if pool else "several nodes"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise StoreUnavailable(
                f"predictions cannot be read from Redis at {self._address()}",
                job=self.job,
                expected="an answer",
                found=f"{type(error).__name__}: {error}",
                next_step="start Redis, or correct its URL, user and password",
            ) from error


def _connect(url: str) -> redis.Redis:
    # An application waits for this: fail early rather than try for long.
    retry = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=2, retry=retry)


def _text(value: Any) -> str | None:
    """A reply as text, whether or not the application's client decodes replies."""
    return value.decode() if isinstance(value, bytes) else cast("str | None", value)
