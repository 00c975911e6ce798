"""How much of Redis' memory generations take, measured on a sample of their keys."""

from __future__ import annotations

from dataclasses import dataclass

import redis

from pipeline.keyspace import MAX_REASON_BUCKETS, bucket_key, prior_key, reasons_key
from pipeline.stores.predictions.refusals import explained
from pipeline.stores.predictions.registry import Generation

_SAMPLED_BUCKETS = 128


@dataclass(frozen=True)
class Footprint:
    """Data keys of a generation that are there, and their bytes, with those of their names."""

    keys: int
    bytes: int


def measure_generation(client: redis.Redis, job: str, generation: Generation) -> Footprint:
    """Keys and bytes of a generation, from up to 256 of its buckets, spread evenly.

    Raises:
        UnavailableError: Redis does not answer.
        RefusedError: the user may not ask.
    """
    sample = range(0, generation.buckets, max(1, generation.buckets // _SAMPLED_BUCKETS))
    with explained(client, job, generation.partition), client.pipeline(transaction=False) as pipeline:
        for bucket in sample:
            pipeline.memory_usage(bucket_key(job, generation.name, bucket), samples=0)
        pipeline.memory_usage(prior_key(job, generation.name), samples=0)
        for number in range(MAX_REASON_BUCKETS):
            pipeline.memory_usage(reasons_key(job, generation.name, number), samples=0)
        sizes = pipeline.execute()
    found = [size for size in sizes[: len(sample)] if size is not None]
    others = [size for size in sizes[len(sample) :] if size is not None]
    share = generation.buckets / len(sample) if sample else 0.0
    return Footprint(
        keys=round(len(found) * share) + len(others),
        bytes=round(sum(found) * share) + sum(others),
    )
