"""Aggregates of a feature set: how they are named in the lake, and which of them are by the entity."""

from __future__ import annotations

from collections.abc import Iterable

from features.declarations import Aggregate, FeatureSet
from pipeline.digests import digest_all, digest_code, digest_json
from pipeline.job import Job
from pipeline.tasks.workspace import environment_of

Alike = tuple[Aggregate, ...]
"""Aggregates by the entity that go through everything together."""

TILE_CODE = ("features.tiles", "features.rows")


def define_aggregate(feature_set: FeatureSet, aggregate: Aggregate) -> str:
    """Digest of what a tile holds and how it is made."""
    return digest_all(
        [feature_set.aggregate_digests[aggregate], digest_code(*TILE_CODE), digest_json(environment_of())]
    )


def list_windows(feature_set: FeatureSet, aggregates: Iterable[Aggregate]) -> dict[Aggregate, list[int]]:
    """The lengths that aggregates are added up over, the shortest first."""
    return {
        aggregate: sorted(
            {window for item in feature_set.trailing if item.aggregate == aggregate for window in item.windows}
        )
        for aggregate in aggregates
    }


def list_partitioned(job: Job, feature_set: FeatureSet) -> dict[Alike, str]:
    """The aggregates by the entity, those that are cut alike together: of one source, with the same keys.

    Each is given with the key column that is matched with the entity's id wherever it is used.  They have as many
    groups as there are entities, so their tiles and windows are in partitions: the population's shards.  None are where
    the population is one shard.
    """
    if job.population.shards == 1:
        return {}
    alike: dict[tuple[str, tuple[str, ...], str], list[Aggregate]] = {}
    for aggregate in feature_set.aggregates:
        key = _find_entity_key(job, feature_set, aggregate)
        if key is not None:
            alike.setdefault((aggregate.source, aggregate.by, key), []).append(aggregate)
    return {tuple(aggregates): key for (_, _, key), aggregates in alike.items()}


def list_whole(job: Job, feature_set: FeatureSet) -> list[Aggregate]:
    """The aggregates that are not in partitions."""
    partitioned = {aggregate for alike in list_partitioned(job, feature_set) for aggregate in alike}
    return [aggregate for aggregate in feature_set.aggregates if aggregate not in partitioned]


def _find_entity_key(job: Job, feature_set: FeatureSet, aggregate: Aggregate) -> str | None:
    uses = [item.keys for item in feature_set.trailing if item.aggregate == aggregate]
    return next(
        (column for at, column in enumerate(aggregate.by) if all(keys[at] == job.entity_id for keys in uses)), None
    )
