"""An entity is taken out of every generation while readers read and Redis is full."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis

from pipeline.keyspace import bucket_key, bucket_of, erasing_key
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore, erasure
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.eraser import erase_until_killed
from tests.stores.predictions.samples import (
    JOB,
    load_generation,
    make_predictions,
    publish,
    send_all,
    split,
)
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


def count_entities(store: PredictionStore) -> tuple[int, int]:
    """What the live header says, and what is there."""
    live = store.live(JOB)
    assert live is not None
    assert live.header == store.header(JOB, live.generation)
    return live.header.rows, sum(len(ids) for ids, _ in store.read_generation(JOB, live.header))


@pytest.mark.parametrize(("next_id", "left"), [(ID, 99), ("parcel 2", 98)])
def test_what_was_killed_at_any_step_is_completed_by_the_next_erasure(
    server: RedisServer, store: PredictionStore, next_id: str, left: int
) -> None:
    """Of the same entity or of another one; one that was killed before it took anything out has done nothing."""
    is_killed, commands, outcomes = True, 0, set()
    while is_killed:
        commands += 1
        server.client.flushall()
        publish(store, make_predictions(100), shards=1)
        is_killed = erase_until_killed(server.url, ID, commands)
        is_begun = not Reader(server.url, JOB).get(ID).found
        was_seen = {holding.generation for holding in store.find_entity(JOB, ID)}
        store.erase_entity(JOB, next_id)
        rows, found = count_entities(store)
        assert rows == found
        if is_begun:
            assert rows == left
            assert store.find_entity(JOB, ID) == []
        outcomes.add((is_begun, bool(was_seen)))
    assert outcomes == {(False, True), (True, True), (True, False)}, "before, in the middle, after"


def test_erasures_at_the_same_time_count_every_entity_once(server: RedisServer, clock: Clock) -> None:
    store = PredictionStore(server.url, clock)
    publish(store, make_predictions(100), shards=1)
    ids = [f"parcel {number}" for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: store.erase_entity(JOB, name), [*ids, *ids[::-1], *ids]))
    assert count_entities(store) == (80, 80)


def test_what_somebody_else_erased_after_it_was_looked_at_is_not_counted_again(
    server: RedisServer, store: PredictionStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, make_predictions(100), shards=1)
    holds = erasure._holds

    def hold_and_lose(*arguments: Any) -> bool:
        monkeypatch.setattr(erasure, "_holds", holds)
        found = holds(*arguments)
        PredictionStore(server.url, clock).erase_entity(JOB, ID)
        return found

    monkeypatch.setattr(erasure, "_holds", hold_and_lose)
    store.erase_entity(JOB, ID)
    assert count_entities(store) == (99, 99)


def leave_unfinished(server: RedisServer, generation: str) -> None:
    """An erasure that was killed after it had written down what is to go."""
    commands = 1
    while erase_until_killed(server.url, ID, commands) and not server.client.hgetall(erasing_key(JOB)):
        commands += 1
    assert server.client.hgetall(erasing_key(JOB)) == {generation: ID}


def test_what_an_erasure_left_unfinished_goes_with_its_generation(
    server: RedisServer, store: PredictionStore, clock: Clock
) -> None:
    first = publish(store, make_predictions(100), shards=1).generation
    leave_unfinished(server, first)
    for day in ("2013-04-02", "2013-04-03"):
        publish(store, make_predictions(100, offset=0.25), day, inputs=day)
    clock.advance(hours=2)
    assert first in store.prune(JOB, keep=1)
    assert server.client.hgetall(erasing_key(JOB)) == {}


def test_what_an_erasure_left_unfinished_is_not_counted_out_of_what_was_loaded_again_without_it(
    server: RedisServer, store: PredictionStore
) -> None:
    first = publish(store, make_predictions(100), shards=1).generation
    leave_unfinished(server, first)
    header = store.header(JOB, first)
    assert header is not None
    for key in server.client.scan_iter("nightjar:*"):
        if key != erasing_key(JOB):
            server.client.delete(key)
    others = {name: value for name, value in make_predictions(100).items() if name != ID}
    load = store.restoration(JOB).begin(replace(header, rows=99), 0)
    assert load is not None
    with load:
        send_all(load, split(others, 1))
        load.seal(replace(header, rows=99))
    store.flip(JOB, first, 1)
    store.erase_entity(JOB, ID)
    assert count_entities(store) == (99, 99)
