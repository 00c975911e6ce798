"""Read predictions by entity id."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import redis

from pipeline.keyspace import Header, bucket_of, check_entity_id
from pipeline.serving.connection import Connection
from pipeline.serving.errors import PartitionNotKept
from pipeline.serving.overview import Release, Status, is_stale, list_releases, read_status

_LIVE_SECONDS = 1.0
_LOOKS = 4

Source = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True)
class Prediction:
    """The answer for one entity.

    Attributes:
        value: a number, string or boolean, or a list in the order of ``columns``; None if it is missing.
        model_version: the model that made it.
        cutoff: when its partition closed.
        age: now minus the cutoff.
        source: ``fresh``; ``stale``, older than the job allows; or ``missing``, not in the generation.
    """

    entity_id: str
    value: Any
    source: Source
    model_version: str
    partition: str
    generation: str
    cutoff: datetime
    age: timedelta
    columns: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether the entity has a prediction."""
        return self.source != "missing"

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; times in RFC 3339, the age in seconds."""
        return vars(self) | {
            "cutoff": self.cutoff.astimezone(UTC).isoformat(),
            "age": self.age.total_seconds(),
            "columns": list(self.columns),
            "found": self.found,
        }


class Reader:
    """Predictions of one job.

    All answers of a call come from one generation.  The reader may be shared by threads.

    Args:
        url_or_client: Redis' URL, or a client that the application already has.
        job: name of the job.
        clock: tells the time, with its zone.
        live_seconds: how long the live generation may be kept before it is looked up again; at most 1.
        monotonic: seconds that only grow, to measure that.
    """

    def __init__(
        self,
        url_or_client: str | redis.Redis,
        job: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        live_seconds: float = _LIVE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = Connection(url_or_client, job)
        self._clock = clock
        self._live_seconds = min(live_seconds, _LIVE_SECONDS)
        self._monotonic = monotonic
        self._kept: tuple[float, Header] | None = None

    def close(self) -> None:
        """Close the connection, unless it came from the application."""
        self._connection.close()

    def get(self, entity_id: str, *, partition: str | None = None) -> Prediction:
        """The prediction of one entity; see :meth:`get_many`."""
        return self.get_many([entity_id], partition=partition)[entity_id]

    def get_many(self, entity_ids: Iterable[str], *, partition: str | None = None) -> dict[str, Prediction]:
        """Predictions by entity id, in the order asked for; an entity without one gets ``source="missing"``.

        Args:
            partition: read this partition's newest generation instead of the live one.

        Raises:
            BadInputError: an id cannot be an entity id.
            StoreUnavailable: Redis does not answer.
            Unhealthy: Redis lost something that a reader needs.
            PartitionNotKept: there is no generation of ``partition``.
        """
        ids = list(dict.fromkeys(entity_ids))
        for entity_id in ids:
            check_entity_id(entity_id)
        header = self._find_header(partition, fresh=False)
        texts = self._look(header, ids)
        if texts is None or None in texts.values():
            header, texts = self._look_again(partition, ids)
        return {entity_id: self._answer(header, entity_id, text) for entity_id, text in texts.items()}

    def status(self) -> Status:
        """What is live, and how old it is.

        Raises:
            StoreUnavailable, Unhealthy: see :meth:`get_many`.
        """
        return read_status(self._connection, self._clock())

    def releases(self) -> list[Release]:
        """Every generation that the store knows, newest first.

        Raises:
            StoreUnavailable, Unhealthy: see :meth:`get_many`.
        """
        return list_releases(self._connection)

    def _look_again(self, partition: str | None, ids: list[str]) -> tuple[Header, dict[str, str | None]]:
        """Look with a fresh header: a miss that remains is one, a missing bucket that remains is damage."""
        for _ in range(_LOOKS):
            header = self._find_header(partition, fresh=True)
            texts = self._look(header, ids)
            if texts is not None:
                return header, texts
            if self._find_header(partition, fresh=True).generation == header.generation:
                raise self._connection.unhealthy(
                    "a bucket is gone",
                    f"{header.buckets} buckets of {header.generation}",
                    "publish the partition again",
                )
        raise self._connection.unhealthy(
            "generations come and go faster than they can be read", "one that stays", "look for publishers in a loop"
        )

    def _find_header(self, partition: str | None, *, fresh: bool) -> Header:
        if partition is not None:
            header = self._connection.read_partition(partition)
            if header is None:
                raise PartitionNotKept(
                    "no generation of this partition is kept",
                    job=self._connection.job,
                    partition=partition,
                    expected="a partition that was published and is still kept",
                    next_step="see `nightjar releases`, or run the partition again",
                )
            return header
        now, kept = self._monotonic(), self._kept
        if not fresh and kept is not None and now - kept[0] < self._live_seconds:
            return kept[1]
        header = self._connection.read_live()
        self._kept = (now, header)
        return header

    def _look(self, header: Header, ids: list[str]) -> dict[str, str | None] | None:
        """JSON text by entity id, None for a miss; None altogether if a bucket is missing."""
        wanted: dict[int, list[str]] = {}
        for entity_id in ids:
            wanted.setdefault(bucket_of(entity_id, header.buckets), []).append(entity_id)
        found: dict[str, str | None] = {}
        for bucket, texts in self._connection.read_entries(header, wanted).items():
            if texts is None:
                return None
            found.update(zip(wanted[bucket], texts, strict=True))
        return {entity_id: found[entity_id] for entity_id in ids}

    def _answer(self, header: Header, entity_id: str, text: str | None) -> Prediction:
        age = self._clock() - header.cutoff
        return Prediction(
            entity_id=entity_id,
            value=None if text is None else self._parse(header, text),
            source="missing" if text is None else "stale" if is_stale(header, age) else "fresh",
            model_version=header.model_version,
            partition=header.partition,
            generation=header.generation,
            cutoff=header.cutoff,
            age=age,
            columns=header.columns,
        )

    def _parse(self, header: Header, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._connection.unhealthy(
                "a prediction is no JSON", f"JSON in {header.generation}", "publish the partition again", str(error)
            ) from error
