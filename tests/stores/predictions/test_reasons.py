"""Reasons travel with the predictions that they are of: loaded, read back, measured, erased and removed with them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import redis

from pipeline.errors import BadInputError, DamagedError, RefusedError
from pipeline.keyspace import MAX_REASONS, Header, bucket_of, reasons_key
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import (
    JOB,
    PARTITION,
    load_generation,
    make_header,
    make_predictions,
    publish,
    send_all,
    split,
)

ROWS = 2000
ID = "parcel 1"


def make_reasons(count: int) -> dict[str, str]:
    return {f"parcel {number}": json.dumps([["weight", 0.25], ["größe", -0.125]]) for number in range(count)}


def load_explained(store: PredictionStore, reasons: Mapping[str, str], partition: str = PARTITION) -> Load:
    predictions = make_predictions(ROWS)
    with store.begin(JOB, partition, ROWS, 4) as load:
        load.send_reasons(reasons)
        send_all(load, split(predictions, 4))
        load.seal(make_header(load))
    return load


def header_of(store: PredictionStore, generation: str) -> Header:
    header = store.header(JOB, generation)
    assert header is not None
    return header


@pytest.mark.parametrize("count", [1, 63, 100, 500, MAX_REASONS])
def test_every_reason_is_in_the_bucket_of_its_id_and_none_is_empty(
    store: PredictionStore, client: redis.Redis, count: int
) -> None:
    reasons = make_reasons(count)
    generation = load_explained(store, reasons).generation
    buckets = header_of(store, generation).reason_buckets
    hashes = [client.hgetall(reasons_key(JOB, generation, number)) for number in range(buckets)]
    assert all(hashes)
    assert {name: text for entries in hashes for name, text in entries.items()} == reasons
    assert all(name in hashes[bucket_of(name, buckets)] for name in reasons)


@pytest.mark.parametrize("change", ["other text", "one less", "one more", "gone"])
def test_a_sabotaged_hash_is_found_when_it_is_read_back(
    store: PredictionStore, client: redis.Redis, change: str
) -> None:
    load = store.begin(JOB, PARTITION, ROWS, 4)
    load.send_reasons(make_reasons(200))
    for table in split(make_predictions(ROWS), 4):
        load.send(table)
    key = reasons_key(JOB, load.generation, 1)
    name = client.hkeys(key)[0]
    if change == "other text":
        client.hset(key, name, '[["weight",0.26],["size",-0.125]]')
    elif change == "one less":
        client.hdel(key, name)
    elif change == "one more":
        client.hset(key, "parcel of nobody", "[]")
    else:
        client.delete(key)
    with pytest.raises(DamagedError, match="what was read back from Redis is not what was sent"):
        load.read_back()
    assert not client.keys(f"nightjar:{JOB}:{load.generation}:*")


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (make_reasons(MAX_REASONS + 1), "those of at most 1000 entities"),
        ({ID: json.dumps([["x" * 512, 1.0]])}, "at most 512 bytes each"),
        ({ID: "nothing"}, "a JSON array of features and their contributions"),
        ({ID: '[["weight"]]'}, "a JSON array of features and their contributions"),
        ({ID: '[["weight",NaN]]'}, "finite contributions"),
        ({"": "[]"}, "1 to 64 bytes of UTF-8 without control characters"),
    ],
    ids=["too many", "too long", "no JSON", "no pairs", "not finite", "no id"],
)
def test_what_are_no_reasons_is_refused(
    store: PredictionStore, client: redis.Redis, reasons: dict[str, str], expected: str
) -> None:
    load = store.begin(JOB, PARTITION, ROWS, 4)
    with pytest.raises(BadInputError) as refused:
        load.send_reasons(reasons)
    assert refused.value.expected == expected
    assert not client.keys(f"nightjar:{JOB}:{load.generation}:*")


def test_a_header_that_tells_of_other_reasons_is_not_sealed(store: PredictionStore) -> None:
    load = store.begin(JOB, PARTITION, ROWS, 4)
    send_all(load, split(make_predictions(ROWS), 4))
    header = Header(**vars(make_header(load)) | {"reason_buckets": 2})
    with pytest.raises(RefusedError, match="the header does not tell what was read back"):
        load.seal(header)


def test_an_abandoned_load_leaves_none(store: PredictionStore, client: redis.Redis) -> None:
    load = store.begin(JOB, PARTITION, ROWS, 4)
    load.send_reasons(make_reasons(MAX_REASONS))
    assert client.exists(reasons_key(JOB, load.generation, 0))
    load.abandon()
    assert not client.keys(f"nightjar:{JOB}:{load.generation}:*")


def test_the_janitor_removes_them_with_their_generation(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    old = load_explained(store, make_reasons(MAX_REASONS), "2013-04-01")
    store.flip(JOB, old.generation, old.token)
    for number in range(2):
        publish(store, make_predictions(ROWS, offset=0.1), "2013-04-01", inputs=str(number))
    clock.advance(hours=1)
    assert old.generation in store.prune(JOB, keep=1)
    assert not client.keys(f"nightjar:{JOB}:{old.generation}:*")


def test_they_count_where_memory_is_counted(store: PredictionStore) -> None:
    plain = load_generation(store, make_predictions(ROWS))
    explained = load_explained(store, make_reasons(MAX_REASONS))
    sizes = {item.name: store.measure(JOB, item) for item in store.generations(JOB)}
    buckets = header_of(store, explained.generation).reason_buckets
    assert sizes[explained.generation].keys == sizes[plain.generation].keys + buckets
    assert sizes[explained.generation].bytes > sizes[plain.generation].bytes + MAX_REASONS * 40


def test_an_erased_entity_takes_its_reasons_along(store: PredictionStore, client: redis.Redis) -> None:
    reasons = make_reasons(100)
    generation = load_explained(store, reasons).generation
    before = header_of(store, generation)
    store.erase_entity(JOB, ID)
    after = header_of(store, generation)
    assert (after.rows, after.reason_buckets) == (ROWS - 1, before.reason_buckets)
    left = client.hgetall(reasons_key(JOB, generation, 0))
    assert left == {name: text for name, text in reasons.items() if name != ID}


def test_the_last_one_that_is_erased_leaves_a_hash_that_is_not_missing(
    store: PredictionStore, client: redis.Redis
) -> None:
    generation = load_explained(store, make_reasons(2)).generation
    for name in make_reasons(2):
        store.erase_entity(JOB, name)
    assert client.hgetall(reasons_key(JOB, generation, 0)) == {"": "null"}


def test_an_erasure_from_a_generation_without_a_header_finds_them_wherever_they_are(
    store: PredictionStore, client: redis.Redis
) -> None:
    """Rejected, so that its header is gone, and its data is about to go."""
    reasons = make_reasons(MAX_REASONS)
    generation = load_explained(store, reasons).generation
    buckets = header_of(store, generation).reason_buckets
    client.hdel(f"nightjar:{{{JOB}}}:headers", generation)
    store.erase_entity(JOB, ID)
    assert client.hget(reasons_key(JOB, generation, bucket_of(ID, buckets)), ID) is None
    assert sum(client.hlen(reasons_key(JOB, generation, number)) for number in range(buckets)) == MAX_REASONS - 1


def test_what_comes_back_has_a_hash_for_every_one_that_it_had(store: PredictionStore, client: redis.Redis) -> None:
    """Those whose entities were all erased meanwhile too."""
    generation = load_explained(store, make_reasons(500)).generation
    header = header_of(store, generation)
    assert header.reason_buckets > 1
    client.flushall()
    left = {name: text for name, text in make_reasons(500).items() if bucket_of(name, header.reason_buckets)}
    load = store.restoration(JOB).begin(header, known_token=0)
    assert load is not None
    with load:
        for table in split(make_predictions(ROWS), 4):
            load.send(table)
        load.send_reasons(left, header.reason_buckets)
        load.read_back()
        load.seal(header)
    assert client.hgetall(reasons_key(JOB, generation, 0)) == {"": "null"}
    assert client.hgetall(reasons_key(JOB, generation, 1)) == {
        name: text for name, text in left.items() if bucket_of(name, header.reason_buckets) == 1
    }
