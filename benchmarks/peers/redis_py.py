"""Pipelines of redis-py, as scripts mostly have them: ten thousand commands at a time, a key an entity."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import redis

_COMMANDS_AT_ONCE = 10_000


def set_json(url: str, ids: pa.StringArray, scores: np.ndarray) -> Callable[[], float]:
    """A JSON document an entity; the function that is returned sends them, and says in how many seconds."""

    def command(pipeline: Any, name: str, value: float) -> None:
        pipeline.set(f"bench:predictions:{name}", json.dumps({"score": value, "model_version": "1"}))

    return _send(url, ids, scores, command)


def set_hashes(url: str, ids: pa.StringArray, scores: np.ndarray) -> Callable[[], float]:
    """A hash of two fields an entity; the function that is returned sends them, and says in how many seconds."""

    def command(pipeline: Any, name: str, value: float) -> None:
        pipeline.hset(f"bench:predictions:{name}", mapping={"score": value, "model_version": "1"})

    return _send(url, ids, scores, command)


def _send(
    url: str, ids: pa.StringArray, scores: np.ndarray, command: Callable[[Any, str, float], None]
) -> Callable[[], float]:
    names, values = ids.to_pylist(), scores.tolist()

    def publish() -> float:
        with redis.Redis.from_url(url) as client:
            started = time.perf_counter()
            for first in range(0, len(names), _COMMANDS_AT_ONCE):
                pipeline = client.pipeline(transaction=False)
                last = first + _COMMANDS_AT_ONCE
                for name, value in zip(names[first:last], values[first:last], strict=True):
                    command(pipeline, name, value)
                pipeline.execute()
            return time.perf_counter() - started

    return publish
