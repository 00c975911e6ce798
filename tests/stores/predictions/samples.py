"""Small populations, and a publish from begin to flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline.keyspace import Header, shard_of
from pipeline.stores.predictions import Flip, PredictionStore
from pipeline.stores.predictions.load import Load

JOB = "parcels"
PARTITION = "2013-04-01"


def make_predictions(count: int = 1000, offset: float = 0.0) -> dict[str, float]:
    """Scores of ``parcel 0`` and so on; ``offset`` tells populations apart."""
    return {f"parcel {number}": round(offset + number / (count * 2), 6) for number in range(count)}


def make_table(predictions: Mapping[str, Any]) -> pa.Table:
    return pa.table({"entity_id": list(predictions), "score": list(predictions.values())})


def split(predictions: Mapping[str, Any], shards: int) -> list[pa.Table]:
    """One table a shard."""
    parts: list[dict[str, Any]] = [{} for _ in range(shards)]
    for entity_id, value in predictions.items():
        parts[shard_of(entity_id, shards)][entity_id] = value
    return [make_table(part) for part in parts if part]


def make_header(load: Load, columns: Sequence[str] = ("score",), **changes: Any) -> Header:
    midnight = datetime.fromisoformat(load.partition).replace(tzinfo=UTC) + timedelta(days=1)
    values: dict[str, Any] = {
        "cutoff": midnight + timedelta(hours=8),
        "model_version": "7",
        "feature_set": "parcels@1",
        "columns": tuple(columns),
        "max_age_seconds": 172_800,
        "manifest": "ab" * 32,
    }
    return load.make_header(**values | changes)


def send_all(load: Load, tables: Sequence[pa.Table]) -> None:
    """Send every table and read all of it back."""
    for table in tables:
        load.send(table)
    load.read_back()


def load_generation(
    store: PredictionStore,
    predictions: Mapping[str, Any],
    partition: str = PARTITION,
    shards: int = 4,
    known_token: int = 0,
    **header: Any,
) -> Load:
    """A verified generation that is not live yet."""
    with store.begin(JOB, partition, len(predictions), shards, known_token) as load:
        send_all(load, split(predictions, shards))
        load.seal(make_header(load, **header))
    return load


def publish(store: PredictionStore, predictions: Mapping[str, Any], partition: str = PARTITION, **options: Any) -> Flip:
    """Load and flip."""
    load = load_generation(store, predictions, partition, **options)
    return store.flip(JOB, load.generation, load.token)
