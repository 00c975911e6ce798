"""Aggregates of a feature set: how they are named in the lake, and which of them are by the entity."""

from __future__ import annotations

from features.declarations import Aggregate, FeatureSet
from pipeline.digests import digest_all, digest_code, digest_json
from pipeline.job import Job
from pipeline.tasks.workspace import environment_of

TILE_CODE = ("features.tiles", "features.rows")


def define_aggregate(feature_set: FeatureSet, aggregate: Aggregate) -> str:
    """Digest of what a tile holds and how it is made."""
    return digest_all(
        [feature_set.aggregate_digests[aggregate], digest_code(*TILE_CODE), digest_json(environment_of())]
    )


def list_windows(feature_set: FeatureSet, aggregate: Aggregate) -> list[int]:
    """The lengths that an aggregate is added up over, the shortest first."""
    return sorted({window for item in feature_set.trailing if item.aggregate == aggregate for window in item.windows})


def list_partitioned(job: Job, feature_set: FeatureSet) -> dict[Aggregate, str]:
    """The aggregates by the entity, each with the key column that is matched with the entity's id wherever it is used.

    They have as many groups as there are entities, so their tiles and windows are in partitions: the population's
    shards.  None are where the population is one shard.
    """
    keys = {aggregate: _find_entity_key(job, feature_set, aggregate) for aggregate in feature_set.aggregates}
    return {aggregate: key for aggregate, key in keys.items() if key is not None and job.population.shards > 1}


def _find_entity_key(job: Job, feature_set: FeatureSet, aggregate: Aggregate) -> str | None:
    uses = [item.keys for item in feature_set.trailing if item.aggregate == aggregate]
    return next(
        (column for at, column in enumerate(aggregate.by) if all(keys[at] == job.entity_id for keys in uses)), None
    )
