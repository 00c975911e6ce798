"""Read predictions by entity id: blocking, or in an event loop."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import redis
import redis.asyncio as async_redis

from pipeline.keyspace import check_entity_id
from pipeline.serving.answers import Prediction, Reasons
from pipeline.serving.connection import AnyConnection, AsyncConnection, Client, Connection
from pipeline.serving.explanations import find_reasons
from pipeline.serving.lookups import Lookups, Steps
from pipeline.serving.overview import Release, Status, find_releases, find_status

Link = TypeVar("Link", bound=AnyConnection[Any])

_LIVE_SECONDS = 1.0


def _now() -> datetime:
    return datetime.now(UTC)


class _JobReader(ABC, Generic[Client, Link]):
    """What the blocking and the awaiting reader of a job have in common: all but who runs the look-ups."""

    def __init__(
        self,
        url_or_client: str | Client,
        job: str,
        *,
        clock: Callable[[], datetime] = _now,
        live_seconds: float = _LIVE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = self._connect(url_or_client, job)
        self._clock = clock
        self._lookups = Lookups(
            job,
            address=self._connection.describe,
            clock=clock,
            live_seconds=min(live_seconds, _LIVE_SECONDS),
            monotonic=monotonic,
        )

    @staticmethod
    @abstractmethod
    def _connect(url_or_client: str | Client, job: str) -> Link:
        """What runs the look-ups."""

    def _find_predictions(
        self, entity_ids: Iterable[str], segments: Mapping[str, str] | None, partition: str | None
    ) -> Steps[dict[str, Prediction]]:
        return self._lookups.find_predictions(_check_ids(entity_ids), segments or {}, partition)

    def _find_reasons(
        self, entity_ids: Iterable[str], segments: Mapping[str, str] | None, partition: str | None
    ) -> Steps[dict[str, Reasons]]:
        return find_reasons(self._lookups, _check_ids(entity_ids), segments or {}, partition)


def _check_ids(entity_ids: Iterable[str]) -> list[str]:
    """Each id once, in the order asked for."""
    ids = list(dict.fromkeys(entity_ids))
    for entity_id in ids:
        check_entity_id(entity_id)
    return ids


class Reader(_JobReader[redis.Redis, Connection]):
    """Predictions of one job.

    All answers of a call come from one generation.  The reader may be shared by threads.

    Args:
        url_or_client: Redis' URL (one server, a cluster or sentinels, see :mod:`pipeline.redis_url`), or a client that
            the application already has.
        job: name of the job.
        clock: tells the time, with its zone.
        live_seconds: how long the live generation may be kept before it is looked up again; at most 1.
        monotonic: seconds that only grow, to measure that.
    """

    @staticmethod
    def _connect(url_or_client: str | redis.Redis, job: str) -> Connection:
        return Connection(url_or_client, job)

    def close(self) -> None:
        """Close the connection, unless it came from the application."""
        self._connection.close()

    def get(self, entity_id: str, *, segment: str | None = None, partition: str | None = None) -> Prediction:
        """The prediction of one entity; see :meth:`get_many`."""
        segments = None if segment is None else {entity_id: segment}
        return self.get_many([entity_id], segments=segments, partition=partition)[entity_id]

    def get_many(
        self,
        entity_ids: Iterable[str],
        *,
        segments: Mapping[str, str] | None = None,
        partition: str | None = None,
    ) -> dict[str, Prediction]:
        """Predictions by entity id, in the order asked for.

        An entity that is not in the population gets the prior of its segment, or the global one (``source="prior"``);
        where the job has no priors, ``source="missing"``.

        Args:
            segments: by entity id, its value of the column that ``header.prior_segment`` names, as far as it is known.
            partition: read this partition's newest generation instead of the live one.

        Raises:
            BadInputError: an id cannot be an entity id.
            StoreUnavailable: Redis does not answer.
            Unhealthy: Redis lost something that a reader needs, or went back in time.
            PartitionNotKept: there is no generation of ``partition``.
        """
        return self._connection.run(self._find_predictions(entity_ids, segments, partition))

    def reasons(self, entity_id: str, *, partition: str | None = None) -> Reasons:
        """Why the prediction of one entity is what it is; see :meth:`reasons_many`."""
        return self.reasons_many([entity_id], partition=partition)[entity_id]

    def reasons_many(
        self,
        entity_ids: Iterable[str],
        *,
        segments: Mapping[str, str] | None = None,
        partition: str | None = None,
    ) -> dict[str, Reasons]:
        """Predictions with their reasons by entity id, in the order asked for.

        Only a night's highest predictions have reasons; of the others ``state`` says why there are none.

        Args:
            segments, partition: see :meth:`get_many`.

        Raises:
            BadInputError, StoreUnavailable, Unhealthy, PartitionNotKept: see :meth:`get_many`.
        """
        return self._connection.run(self._find_reasons(entity_ids, segments, partition))

    def status(self) -> Status:
        """What is live, and how old it is.

        Raises:
            StoreUnavailable, Unhealthy: see :meth:`get_many`.
        """
        return self._connection.run(find_status(self._lookups, self._clock()))

    def releases(self) -> list[Release]:
        """Every generation that the store knows, newest first.

        Raises:
            StoreUnavailable, Unhealthy: see :meth:`get_many`.
        """
        return self._connection.run(find_releases(self._lookups))


class AsyncReader(_JobReader[async_redis.Redis, AsyncConnection]):
    """A :class:`Reader` whose methods are awaited; it belongs to one event loop and may be shared by its tasks."""

    @staticmethod
    def _connect(url_or_client: str | async_redis.Redis, job: str) -> AsyncConnection:
        return AsyncConnection(url_or_client, job)

    async def close(self) -> None:
        """See :meth:`Reader.close`."""
        await self._connection.close()

    async def get(self, entity_id: str, *, segment: str | None = None, partition: str | None = None) -> Prediction:
        """See :meth:`Reader.get`."""
        segments = None if segment is None else {entity_id: segment}
        return (await self.get_many([entity_id], segments=segments, partition=partition))[entity_id]

    async def get_many(
        self,
        entity_ids: Iterable[str],
        *,
        segments: Mapping[str, str] | None = None,
        partition: str | None = None,
    ) -> dict[str, Prediction]:
        """See :meth:`Reader.get_many`."""
        return await self._connection.run(self._find_predictions(entity_ids, segments, partition))

    async def reasons(self, entity_id: str, *, partition: str | None = None) -> Reasons:
        """See :meth:`Reader.reasons`."""
        return (await self.reasons_many([entity_id], partition=partition))[entity_id]

    async def reasons_many(
        self,
        entity_ids: Iterable[str],
        *,
        segments: Mapping[str, str] | None = None,
        partition: str | None = None,
    ) -> dict[str, Reasons]:
        """See :meth:`Reader.reasons_many`."""
        return await self._connection.run(self._find_reasons(entity_ids, segments, partition))

    async def status(self) -> Status:
        """See :meth:`Reader.status`."""
        return await self._connection.run(find_status(self._lookups, self._clock()))

    async def releases(self) -> list[Release]:
        """See :meth:`Reader.releases`."""
        return await self._connection.run(find_releases(self._lookups))
