"""Predictions to publish, and publishing them as a night does."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.sharding import crc32_of
from pipeline.stores.predictions import PredictionStore

JOB = "bench"
SHARDS = 16


def make_predictions(rows: int) -> tuple[pa.StringArray, np.ndarray]:
    """Ids of 13 characters and scores of 6 decimals."""
    ids = pa.array([f"C{number:012d}" for number in range(rows)])
    return ids, np.round(np.random.default_rng(7).random(rows), 6)


def split(ids: pa.StringArray, scores: np.ndarray) -> list[pa.Table]:
    """The predictions as the score stage leaves them: one table a shard."""
    shards = crc32_of(ids) % SHARDS
    table = pa.table({"entity_id": ids, "score": scores})
    return [table.filter(pa.array(shards == shard)) for shard in range(SHARDS)]


def publish_generation(store: PredictionStore, shards: list[pa.Table]) -> None:
    """Send the shards, read all of them back, and make them live."""
    with store.begin(JOB, "2013-04-01", sum(len(shard) for shard in shards), SHARDS) as load:
        for shard in shards:
            load.send(shard)
        load.read_back()
        header = load.make_header(
            cutoff=datetime(2013, 4, 2, tzinfo=UTC),
            model_version="1",
            feature_set="bench@1",
            columns=("score",),
            max_age_seconds=None,
            manifest="0" * 64,
        )
        load.seal(header)
    store.flip(JOB, load.generation, load.token)
