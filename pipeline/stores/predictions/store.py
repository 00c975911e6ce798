"""Publishing predictions: what the publish stage and operators ask of Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.errors import BadInputError, RefusedError
from pipeline.keyspace import Header, choose_buckets
from pipeline.redis_url import close_client, open_client
from pipeline.stores.predictions import erasure, janitor, moves
from pipeline.stores.predictions.checks import check_server
from pipeline.stores.predictions.contents import read_generation
from pipeline.stores.predictions.decisions import Decision, Pin, Rejection
from pipeline.stores.predictions.erasure import Holding
from pipeline.stores.predictions.memory import Footprint, measure_generation
from pipeline.stores.predictions.moves import Flip, Rollback
from pipeline.stores.predictions.preflight import check_redis
from pipeline.stores.predictions.registry import Generation, Live, Record, Registry

if TYPE_CHECKING:
    from pipeline.stores.predictions.load import Load
    from pipeline.stores.predictions.restoration import Restoration

# The comparison of what was read back is one of RESP2 bytes, and control keys are text.
_CONVERSATION: dict[str, Any] = {
    "protocol": 2,
    "decode_responses": True,
    "encoding": "utf-8",
    "encoding_errors": "strict",
}


class PredictionStore:
    """The predictions of every job in one Redis.

    Args:
        url: of Redis, see :mod:`pipeline.redis_url`; what it says of the protocol and the encoding does not count.
        clock: tells the time, with its zone.
    """

    def __init__(self, url: str, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._url = url

    @cached_property
    def _client(self) -> redis.Redis:
        # Every step may be repeated; waiting is the scheduler's business.
        retry = Retry(NoBackoff(), 1)
        return open_client(self._url, **_CONVERSATION, socket_timeout=30, socket_connect_timeout=5, retry=retry)

    def close(self) -> None:
        """Close all connections."""
        if "_client" in vars(self):
            close_client(self._client)

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
        from pipeline.stores.predictions.load import Load  # noqa: PLC0415 - imports pyarrow

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
        for generation in janitor.find_abandoned(registry, load.token):
            janitor.give_up(registry, generation)
        return load

    def restoration(self, job: str) -> Restoration:
        """What fills a Redis again that lost what it held of a job."""
        from pipeline.stores.predictions.restoration import Restoration  # noqa: PLC0415 - imports pyarrow

        return Restoration(self._registry(job))

    def preflight(self, job: str, rows: int) -> dict[str, Any]:
        """Whether a generation of ``rows`` can be loaded: rights, settings, persistence, replication and memory.

        The bytes of a prediction are measured on the newest generation that Redis holds; without one, memory is not
        judged.

        Returns:
            The numbers, by server, and ``warnings`` in words.

        Raises:
            UnavailableError: Redis takes no writes now, or the generation would not fit.
            RefusedError: Redis would lose predictions, by its settings or its role, or the user may not write.
        """
        return check_redis(self._registry(job), rows)

    def take_token(self, job: str, known_token: int = 0) -> int:
        """Take a fencing token, for making a generation live that was loaded with an older one."""
        return self._registry(job).take_token(known_token)

    def flip(
        self,
        job: str,
        generation: str,
        token: int,
        *,
        allow_older_partition: bool = False,
        allow_rejected: bool = False,
    ) -> Flip:
        """Make a verified generation live, by one compare-and-set in Redis.

        One that was made from what its night knew (basis ``as_known_then``) is kept beside the live one, always, and so
        is an older partition.  A repeated flip of what this token already made live is no error.

        Args:
            allow_older_partition: make an older partition than the live one live, too.
            allow_rejected: what was rolled back may come back, and is no longer rejected then, if it can go live.

        Raises:
            RefusedError: the token is not higher than live's, the generation is not verified, or it was made of inputs
                whose release was rolled back.
            UnavailableError: Redis does not take it.
        """
        return moves.flip(
            self._registry(job),
            generation,
            token,
            allow_older_partition=allow_older_partition,
            allow_rejected=allow_rejected,
        )

    def rollback(self, job: str, to: str | None, *, who: str, why: str, known_token: int = 0) -> Rollback:
        """Make a generation live again that was live before, by one step in Redis that loads nothing.

        What was released after it is rejected by the digest of its inputs.  If ``to`` is live already, nothing changes.

        Args:
            to: the generation; None for the one that was live before the live one.
            known_token: the highest token that the lake knows, in case Redis lost its own.

        Raises:
            RefusedError: there is nothing to return to, or somebody published in the meantime.
            BadInputError: nobody is named, or no reason is given.
            UnavailableError: Redis does not take it.
        """
        return moves.roll_back(self._registry(job), to, Decision.make(job, who, why, self._clock()), known_token)

    def pin(self, job: str, generation: str, who: str, why: str) -> None:
        """Keep a generation, whatever is pruned.

        Raises:
            RefusedError: Redis does not hold all of it.
            BadInputError: nobody is named, or no reason is given.
        """
        state = self._registry(job).pin(generation, Pin.make(job, who, why, self._clock()))
        if state != "pinned":
            raise RefusedError(
                f"generation {generation} was not pinned",
                job=job,
                expected="a generation that was verified and is still kept",
                found=f"its state is {state}",
                next_step="see `nightjar releases`",
            )

    def unpin(self, job: str, generation: str) -> bool:
        """Let a generation go with the others; returns whether it was pinned."""
        return self._registry(job).unpin(generation)

    def rejections(self, job: str) -> dict[str, Rejection]:
        """What was rolled back, by the digest of its inputs."""
        return self._registry(job).read_rejections()

    def live(self, job: str) -> Live | None:
        """What readers see."""
        return self._registry(job).read_live()

    def header(self, job: str, generation: str) -> Header | None:
        """The header of a verified generation that is kept."""
        return self._registry(job).read_header(generation)

    def generations(self, job: str) -> list[Generation]:
        """Every generation that Redis knows, newest first."""
        return self._registry(job).read_generations()

    def measure(self, job: str, generation: Generation) -> Footprint:
        """Keys and bytes that a generation takes, by a sample."""
        return measure_generation(self._client, job, generation)

    def read_generation(self, job: str, header: Header) -> Iterator[tuple[list[str], list[str]]]:
        """Entity ids and predictions (JSON text) of a generation as Redis holds them, some buckets at a time.

        Raises:
            DamagedError: a bucket is gone, or the rows are not as many as the header says.
        """
        return read_generation(self._client, job, header)

    def find_entity(self, job: str, entity_id: str) -> list[Holding]:
        """The generations that hold an entity, and those that are being loaded; newest first."""
        return erasure.find_entity(self._registry(job), entity_id)

    def erase_entity(self, job: str, entity_id: str) -> list[Holding]:
        """Take an entity out of every generation, live or not; returns those that held it, and loads it gave up.

        Raises:
            UnavailableError: Redis does not take it; a second erasure goes on where this one broke.
        """
        return erasure.erase_entity(self._registry(job), entity_id)

    def prune(self, job: str, keep: int = janitor.KEPT_PARTITIONS, *, dry_run: bool = False) -> list[str]:
        """Remove superseded generations and dead loads; returns their names.  The keyspace is never scanned.

        Kept are: live; the one before, for rollback; what is pinned; the newest of each of the last ``keep`` partitions
        and of the ``keep`` partitions that were loaded last (backfills); what retired less than ten minutes ago; what
        was rejected less than an hour ago; what is loading, unless it was begun more than an hour ago and has a
        successor; what a publisher may be about to make live, since its token is higher than live's; and the newest of
        a partition of which an older one is kept, so that reading by partition never finds that one gone.

        Args:
            dry_run: remove nothing, only name what would go.
        """
        return janitor.prune(self._registry(job), keep, dry_run=dry_run)

    def check(self) -> dict[str, Any]:
        """What `nightjar doctor` shows of this Redis; ``problems`` lists what must be mended, in words."""
        return check_server(self._client)

    def _registry(self, job: str) -> Registry:
        return Registry(self._client, job, self._clock)


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
