"""An entity is taken out of every generation while readers read and Redis is full."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from pipeline.keyspace import bucket_key, bucket_of
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, load_generation, make_predictions, publish
from tests.stores.predictions.server import RedisServer

ID = "parcel 1"


def test_it_leaves_every_generation_whatever_its_state(server: RedisServer, store: PredictionStore) -> None:
    first = publish(store, make_predictions(), "2013-04-01").generation
    second = publish(store, make_predictions(), "2013-04-02").generation
    third = load_generation(store, make_predictions(), "2013-04-03").generation
    store.rollback(JOB, None, who="Jane Doe", why="wrong unit")
    held = {holding.generation for holding in store.find_entity(JOB, ID)}
    assert held == {first, second, third}
    assert {holding.generation for holding in store.erase_entity(JOB, ID)} == held
    assert store.find_entity(JOB, ID) == []
    assert store.erase_entity(JOB, ID) == []
    for generation in store.generations(JOB):
        assert generation.header is not None
        assert generation.header.rows == 999
        assert sum(len(ids) for ids, _ in store.read_generation(JOB, generation.header)) == 999
    live = store.live(JOB)
    assert live is not None
    assert live.header == store.header(JOB, live.generation)
    assert not Reader(server.url, JOB).get(ID).found


def test_a_generation_of_one_entity_is_empty_then_and_not_damaged(server: RedisServer, store: PredictionStore) -> None:
    generation = publish(store, {ID: 0.5}, shards=1).generation
    store.erase_entity(JOB, ID)
    reader = Reader(server.url, JOB)
    assert not reader.get(ID).found
    assert reader.status().header.rows == 0
    header = store.header(JOB, generation)
    assert header is not None
    assert list(store.read_generation(JOB, header)) == [([], [])]


def test_a_full_redis_forgets_all_the_same(start_server: Callable[..., RedisServer], clock: Clock) -> None:
    """The last entity of a bucket too, which leaves a field behind."""
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    generation = publish(store, make_predictions(100), shards=1).generation
    header = store.header(JOB, generation)
    assert header is not None
    bucket = bucket_of(ID, header.buckets)
    neighbours = [name for name in make_predictions(100) if bucket_of(name, header.buckets) == bucket]
    client.config_set("maxmemory", 100_000)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("any", "thing")
    for name in neighbours:
        store.erase_entity(JOB, name)
    assert client.hgetall(bucket_key(JOB, generation, bucket)) == {"": "null"}
    assert not Reader(server.url, JOB).get(ID).found
