"""Filling a Redis that lost everything: what was there comes back under its name and in the state that it had."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.keyspace import Header, State
from pipeline.stores.predictions.decisions import Pin, Rejection
from pipeline.stores.predictions.load import Load
from pipeline.stores.predictions.registry import Record, Registry


class Restoration:
    """The restoration of one job.  What Redis has is left as it is."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def begin(self, header: Header, known_token: int, *, decimals: int | None = None) -> Load | None:
        """Begin to load a generation that Redis lost, under the name and header that it had.

        The data must come as it came then: a shard at a time if the buckets are a multiple of the shards, else in one
        table.  Sealed with ``header``, it is what it was; buckets whose entities were all erased since are there still.

        Args:
            known_token: the highest token that the lake knows: what is loaded from now on gets a higher one.

        Returns:
            None if Redis has it.

        Raises:
            UnavailableError, RefusedError: Redis does not take it.
        """
        record = Record(header.partition, header.rows, self._registry.clock(), header.buckets)
        if self._registry.restore(header.generation, record, known_token) != State.LOADING:
            return None
        return Load(self._registry, header.generation, record, decimals, is_again=True)

    def keep(self, header: Header) -> None:
        """Say of a generation that was loaded again that it was kept beside a live one, whatever is live now."""
        self._registry.keep(header.generation, header.token, header.partition)

    def retire(self, generation: str, token: int, *, is_taken_back: bool = False) -> None:
        """Say of a generation that was loaded again that it was live once, made so with ``token``.

        Args:
            is_taken_back: by a rollback, so that it is rejected.
        """
        self._registry.retire(generation, token, State.REJECTED if is_taken_back else State.RETIRED)

    def pin(self, generation: str, pin: Pin) -> bool:
        """Enter a pin; returns whether the generation is there to be pinned."""
        return self._registry.pin(generation, pin) == "pinned"

    def reject(self, rejections: Mapping[str, Rejection]) -> None:
        """Enter what was rolled back, by the digest of its inputs."""
        self._registry.write_rejections(rejections)
