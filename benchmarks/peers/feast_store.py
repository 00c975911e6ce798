"""Feast's ``materialize`` to Redis.  It runs in an environment of its own: ``scripts/feast_environment`` makes it.

    .feast/bin/python benchmarks/peers/feast_store.py PREDICTIONS.parquet FOLDER HOST:PORT

materializes the predictions twice, each time into a Redis that was emptied, and prints the seconds and the bytes that
Redis grew by as JSON.  Feast's start-up, its registry and the reading of its own modules count for nothing.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, String

NOW = datetime.now(UTC)
RUNS = 2


def main(predictions: str, folder: str, address: str) -> None:
    """Measure, and print."""
    store = open_store(predictions, folder, address)
    host, _, port = address.rpartition(":")
    client = redis.Redis(host=host, port=int(port))
    seconds, grown = [], 0
    for _ in range(RUNS):
        client.flushall()
        before = client.info("memory")["used_memory"]
        started = time.perf_counter()
        store.materialize(NOW - timedelta(days=1), NOW + timedelta(days=1), feature_views=["predictions"])
        seconds.append(time.perf_counter() - started)
        grown = client.info("memory")["used_memory"] - before
    print(json.dumps({"seconds": min(seconds), "bytes": grown, "keys": client.dbsize()}))


def open_store(predictions: str, folder: str, address: str) -> FeatureStore:
    """A store with one feature view over the file."""
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(Path(folder) / "registry.db"),
            online_store={"type": "redis", "connection_string": address},
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.STRING)
    source = FileSource(path=predictions, timestamp_field="scored_at")
    view = FeatureView(
        name="predictions",
        entities=[entity],
        ttl=timedelta(days=2),
        schema=[
            Field(name="entity_id", dtype=String),
            Field(name="score", dtype=Float64),
            Field(name="model_version", dtype=String),
        ],
        source=source,
    )
    store.apply([entity, view])
    return store


if __name__ == "__main__":
    main(*sys.argv[1:])
