"""Loading a generation, into a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import redis

from pipeline.errors import BadInputError, DamagedError, RefusedError
from pipeline.keyspace import Header, bucket_key, bucket_of
from pipeline.stores.predictions import PredictionStore, UnevenIdsError
from pipeline.stores.predictions.load import Load
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import (
    JOB,
    PARTITION,
    load_generation,
    make_header,
    make_predictions,
    make_table,
    publish,
    send_all,
    split,
)
from tests.stores.predictions.server import RedisServer


def read_all(client: redis.Redis, load: Load) -> dict[str, object]:
    keys = [bucket_key(JOB, load.generation, bucket) for bucket in range(load.buckets or 0)]
    return {str(name): json.loads(text) for key in keys for name, text in client.hgetall(key).items()}


def data_keys(client: redis.Redis, generation: str) -> list[str]:
    return list(client.scan_iter(f"nightjar:{JOB}:{generation}:*"))


def test_every_prediction_is_in_the_bucket_of_its_id(store: PredictionStore, client: redis.Redis) -> None:
    predictions = make_predictions(5000)
    load = load_generation(store, predictions)
    assert load.buckets
    for entity_id in list(predictions)[::97]:
        key = bucket_key(JOB, load.generation, bucket_of(entity_id, load.buckets))
        assert json.loads(client.hget(key, entity_id) or "") == predictions[entity_id]
    assert read_all(client, load) == predictions


@pytest.mark.parametrize("count", [1, 2, 63, 64, 191, 192, 1000, 20_000])
@pytest.mark.parametrize("shards", [1, 4])
def test_no_bucket_is_empty(store: PredictionStore, client: redis.Redis, count: int, shards: int) -> None:
    load = load_generation(store, make_predictions(count), shards=shards)
    sizes = [client.hlen(bucket_key(JOB, load.generation, bucket)) for bucket in range(load.buckets or 0)]
    assert min(sizes) > 0
    assert sum(sizes) == count


def test_large_loads_have_a_multiple_of_the_shards_and_small_buckets(
    store: PredictionStore, client: redis.Redis
) -> None:
    load = load_generation(store, make_predictions(20_000), shards=4)
    assert load.buckets
    assert load.buckets % 4 == 0
    assert 45 <= 20_000 / load.buckets <= 96
    encodings = {client.object("encoding", key) for key in data_keys(client, load.generation)}
    assert encodings <= {"listpack", "ziplist"}


def test_bytes_per_prediction_are_measured(store: PredictionStore) -> None:
    load = load_generation(store, {f"C{number:012d}": number / 1e6 for number in range(20_000)})
    assert load.bytes_per_prediction is not None
    assert 20 < load.bytes_per_prediction <= 30


def test_ids_of_any_script_and_with_spaces_are_published(store: PredictionStore, client: redis.Redis) -> None:
    predictions = dict.fromkeys(("a b", "Zürich, Gleis 3", "東京", "مرحبا", "🛫 1", "x" * 64, "\xa0", "%s{}'\""), 0.5)
    load = load_generation(store, predictions)
    assert read_all(client, load) == predictions


@pytest.mark.parametrize("entity_id", ["", "a\x00", "a\r", "a\n", "\x7f", "\x85", "x" * 65, "é" * 33])
def test_ids_that_break_the_contract_are_refused(store: PredictionStore, client: redis.Redis, entity_id: str) -> None:
    with pytest.raises(BadInputError, match="entity ids cannot be published"):
        load_generation(store, make_predictions(10) | {entity_id: 0.5}, shards=1)
    assert not list(client.scan_iter("nightjar:parcels:*"))
    assert store.generations(JOB)[0].state == "rejected"


def test_null_ids_are_refused(store: PredictionStore) -> None:
    load = store.begin(JOB, PARTITION, 2, 1)
    with pytest.raises(BadInputError, match="1 nulls"):
        load.send(pa.table({"id": ["a", None], "score": [0.1, 0.2]}))


def test_integer_ids_are_published_in_decimal(store: PredictionStore, client: redis.Redis) -> None:
    with store.begin(JOB, PARTITION, 3, 1) as load:
        load.send(pa.table({"id": [1, 20, -3], "score": [0.1, 0.2, 0.3]}))
        load.read_back()
        load.seal(make_header(load))
    assert read_all(client, load) == {"1": 0.1, "20": 0.2, "-3": 0.3}


@pytest.mark.parametrize("count", [100, 5000])
def test_duplicate_ids_are_refused(store: PredictionStore, client: redis.Redis, count: int) -> None:
    names = list(make_predictions(count))
    with store.begin(JOB, PARTITION, count + 1, 1) as load, pytest.raises(BadInputError, match="more than once"):
        send_all(load, [pa.table({"id": [*names, names[7]], "score": [0.5] * (count + 1)})])
    assert not data_keys(client, load.generation)


def test_a_shard_in_pieces_is_refused(store: PredictionStore) -> None:
    table = make_table(make_predictions(5000))
    with store.begin(JOB, PARTITION, 5000, 1) as load, pytest.raises(BadInputError, match="two tables"):
        send_all(load, [table.slice(0, 2500), table.slice(2500)])


def test_a_load_that_misses_a_shard_is_refused(store: PredictionStore, client: redis.Redis) -> None:
    predictions = make_predictions(2000)
    with store.begin(JOB, PARTITION, 2000, 4) as load, pytest.raises(RefusedError, match="not complete"):
        send_all(load, split(predictions, 4)[1:])
    assert not data_keys(client, load.generation)


def test_more_rows_than_announced_are_refused(store: PredictionStore) -> None:
    with store.begin(JOB, PARTITION, 9, 1) as load, pytest.raises(BadInputError, match="more rows"):
        load.send(make_table(make_predictions(10)))


def test_nothing_to_publish_is_refused(store: PredictionStore) -> None:
    with pytest.raises(BadInputError, match="nothing to publish"):
        store.begin(JOB, PARTITION, 0, 4)


@pytest.mark.parametrize(
    "partition", ["", "2013-4-1", "20130401", "2013-W14-1", "2013-02-30", "2013-04-01T00:00", "soon"]
)
def test_a_partition_that_is_not_a_date_is_refused(store: PredictionStore, partition: str) -> None:
    """Flips compare partitions as text."""
    with pytest.raises(BadInputError, match="not a partition") as refused:
        store.begin(JOB, partition, 10, 1)
    assert refused.value.expected == "a date, YYYY-MM-DD"
    assert store.generations(JOB) == []


@pytest.mark.parametrize("options", ["protocol=3", "encoding=latin-1"])
def test_a_url_cannot_change_how_the_store_talks(server: RedisServer, clock: Clock, options: str) -> None:
    """Over RESP3, or in another encoding, what is read back would not be the bytes that are due."""
    store = PredictionStore(f"{server.url}?{options}&socket_timeout=7", clock)
    load = load_generation(store, make_predictions(5000), feature_set="größe@1")
    header = Header.from_json(str(server.client.hget(f"nightjar:{{{JOB}}}:headers", load.generation)))
    assert header.feature_set == "größe@1"
    assert store.flip(JOB, load.generation, load.token).result == "live"


def test_a_unix_socket_is_a_url_too(start_server: Callable[..., RedisServer], clock: Clock, tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    start_server("--unixsocket", str(socket))
    assert publish(PredictionStore(f"unix://{socket}?protocol=3&db=1", clock), make_predictions(100)).result == "live"


def test_a_bucket_left_empty_is_refused_and_gathering_helps(store: PredictionStore, client: redis.Redis) -> None:
    predictions = {name: 0.5 for name in make_predictions(3000) if bucket_of(name, 8) % 2}
    with (
        store.begin(JOB, PARTITION, len(predictions), 8) as load,
        pytest.raises(UnevenIdsError, match="would be empty"),
    ):
        send_all(load, split(predictions, 8))
    assert not data_keys(client, load.generation)
    with store.begin(JOB, PARTITION, len(predictions), 8, gather=True) as load:
        send_all(load, split(predictions, 8))
        load.seal(make_header(load))
    assert read_all(client, load) == predictions


Tamper = Callable[[redis.Redis, str], object]


def add_entry(client: redis.Redis, key: str) -> None:
    client.hset(key, "stranger", "1")


def change_entry(client: redis.Redis, key: str) -> None:
    name = str(client.hkeys(key)[0])
    client.hset(key, name, "0.999999")


def swap_entries(client: redis.Redis, key: str) -> None:
    entries = list(client.hgetall(key).items())
    (first, value), (second, other) = entries[0], entries[-1]
    client.hset(key, mapping={first: other, second: value})


def remove_entry(client: redis.Redis, key: str) -> None:
    client.hdel(key, str(client.hkeys(key)[0]))


def remove_bucket(client: redis.Redis, key: str) -> None:
    client.delete(key)


@pytest.mark.parametrize("tamper", [add_entry, change_entry, swap_entries, remove_entry, remove_bucket])
@pytest.mark.parametrize("table", [False, True], ids=["listpack", "table"])
def test_reading_back_notices_whatever_is_not_as_sent(
    start_server: Callable[..., RedisServer], clock: Clock, tamper: Tamper, table: bool
) -> None:
    server = start_server(*(["--hash-max-ziplist-entries", "16"] if table else []))
    store, client = PredictionStore(server.url, clock), server.client
    load = store.begin(JOB, PARTITION, 5000, 1)
    load.send(make_table(make_predictions(5000)))
    load._shipment.finish_sending()
    assert client.object("encoding", bucket_key(JOB, load.generation, 3)) == "hashtable" or not table
    tamper(client, bucket_key(JOB, load.generation, 3))
    with pytest.raises(DamagedError, match="not what was sent"):
        load.read_back()
    assert not data_keys(client, load.generation)
    assert store.live(JOB) is None


def test_buckets_that_redis_keeps_as_tables_are_compared_in_any_order(
    start_server: Callable[..., RedisServer], clock: Clock
) -> None:
    server = start_server("--hash-max-ziplist-entries", "60")
    store = PredictionStore(server.url, clock)
    load = load_generation(store, make_predictions(20_000))
    encodings = {server.client.object("encoding", key) for key in data_keys(server.client, load.generation)}
    assert "hashtable" in encodings
    assert len(encodings) == 2
    assert read_all(server.client, load) == make_predictions(20_000)


def test_several_columns_become_arrays(store: PredictionStore, client: redis.Redis) -> None:
    with store.begin(JOB, PARTITION, 2, 1) as load:
        load.send(pa.table({"id": ["a", "b"], "class": ["late", "on time"], "share": [0.25, 1.0]}))
        load.read_back()
        load.seal(make_header(load, columns=("class", "share")))
    assert read_all(client, load) == {"a": ["late", 0.25], "b": ["on time", 1]}


def test_a_header_that_tells_something_else_is_refused(store: PredictionStore) -> None:
    load = store.begin(JOB, PARTITION, 10, 1)
    send_all(load, [make_table(make_predictions(10))])
    with pytest.raises(RefusedError, match="does not tell"):
        load.seal(make_header(load, columns=("score", "reason")))


def test_a_load_that_was_not_read_back_is_not_sealed(store: PredictionStore) -> None:
    load = store.begin(JOB, PARTITION, 10, 1)
    load.send(make_table(make_predictions(10)))
    with pytest.raises(RefusedError, match="does not tell"):
        load.seal(make_header(load))


def test_sealing_stores_the_header_as_it_was_written(store: PredictionStore, client: redis.Redis) -> None:
    load = load_generation(store, make_predictions(10), feature_set="größe@1")
    text = client.hget(f"nightjar:{{{JOB}}}:headers", load.generation)
    header = store.header(JOB, load.generation)
    assert header is not None
    assert header.feature_set == "größe@1"
    assert text == header.to_json()
    assert Header.from_json(text or "") == header
    assert client.hgetall(f"nightjar:{{{JOB}}}:partitions") == {PARTITION: load.generation}


def test_abandoning_removes_the_data_and_rejects_the_generation(store: PredictionStore, client: redis.Redis) -> None:
    load = store.begin(JOB, PARTITION, 5000, 1)
    load.send(make_table(make_predictions(5000)))
    load.abandon()
    load.abandon()
    assert not data_keys(client, load.generation)
    assert [item.state for item in store.generations(JOB)] == ["rejected"]


def test_leaving_the_block_without_sealing_abandons(store: PredictionStore, client: redis.Redis) -> None:
    with store.begin(JOB, PARTITION, 5000, 1) as load:
        load.send(make_table(make_predictions(5000)))
    assert not data_keys(client, load.generation)


def test_a_load_rejected_by_somebody_else_cannot_be_sealed(store: PredictionStore, clock: Clock) -> None:
    """A publisher that was paused wakes up after its successor gave it up."""
    paused = store.begin(JOB, PARTITION, 10, 1)
    paused.send(make_table(make_predictions(10)))
    clock.advance(minutes=61)
    successor = store.begin(JOB, PARTITION, 10, 1)
    paused.read_back()
    with pytest.raises(RefusedError, match="given up by somebody else"):
        paused.seal(make_header(paused))
    states = {item.name: item.state for item in store.generations(JOB)}
    assert states == {paused.generation: "rejected", successor.generation: "loading"}


def test_a_load_of_the_last_hour_is_left_alone_by_the_next(store: PredictionStore, clock: Clock) -> None:
    first = store.begin(JOB, PARTITION, 10, 1)
    first.send(make_table(make_predictions(10)))
    clock.advance(minutes=59)
    publish(store, make_predictions(20))
    first.read_back()
    first.seal(make_header(first))
    assert {item.name: item.state for item in store.generations(JOB)}[first.generation] == "verified"
