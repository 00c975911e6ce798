"""Reading a whole generation as Redis holds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from pipeline.errors import DamagedError, RefusedError
from pipeline.keyspace import bucket_key
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, load_generation, make_predictions
from tests.stores.predictions.server import RedisServer


def read_all(store: PredictionStore, generation: str) -> dict[str, Any]:
    header = store.header(JOB, generation)
    assert header is not None
    found: dict[str, Any] = {}
    for ids, predictions in store.read_generation(JOB, header):
        found |= dict(zip(ids, map(json.loads, predictions), strict=True))
    return found


@pytest.mark.parametrize("count", [1, 100, 100_000])
def test_every_entity_and_its_prediction_is_read(store: PredictionStore, count: int) -> None:
    predictions = make_predictions(count)
    assert read_all(store, load_generation(store, predictions).generation) == predictions


def test_ids_and_predictions_of_any_script_are_read(store: PredictionStore) -> None:
    predictions = {"東京 7": "später", "Zürich\u2028": '"\\', "*3": "$5", "$1": "line\r\nbreak"}
    assert read_all(store, load_generation(store, predictions, shards=1).generation) == predictions


def test_a_generation_that_is_not_live_is_read(store: PredictionStore) -> None:
    load_generation(store, make_predictions(100))
    staged = load_generation(store, make_predictions(200, offset=0.5))
    assert read_all(store, staged.generation) == make_predictions(200, offset=0.5)


def test_a_bucket_that_is_gone_is_damage(store: PredictionStore, client: redis.Redis) -> None:
    load = load_generation(store, make_predictions(5000))
    client.delete(bucket_key(JOB, load.generation, 3))
    with pytest.raises(DamagedError, match=f"no {bucket_key(JOB, load.generation, 3)}"):
        read_all(store, load.generation)


def test_a_user_who_may_not_read_is_told_so(start_server: Callable[..., RedisServer], clock: Clock) -> None:
    server = start_server()
    header = load_generation(PredictionStore(server.url, clock), make_predictions(100)).generation
    url = server.add_user("blind", "~nightjar:*", "+@all", "-hgetall")
    with pytest.raises(RefusedError, match="may not do this"):
        read_all(PredictionStore(url, clock), header)
