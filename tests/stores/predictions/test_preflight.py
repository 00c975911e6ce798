"""What is asked of Redis before a load, and that its numbers are true."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import redis

from pipeline.errors import RefusedError, UnavailableError
from pipeline.keyspace import State
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, load_generation, make_predictions, publish
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import Cluster

StartServer = Callable[..., RedisServer]
ROWS = 100_000


def used(client: redis.Redis) -> int:
    memory: dict[str, Any] = client.info("memory")
    return int(memory["used_memory"] - memory["mem_not_counted_for_evict"])


def test_what_fits_by_its_numbers_is_loaded(start_server: StartServer, clock: Clock) -> None:
    """On a Redis that has just the room that was asked for."""
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    predictions = make_predictions(ROWS)
    publish(store, predictions)
    needed = store.preflight(JOB, ROWS)["servers"][0]["needed"]
    client.config_set("maxmemory", used(client) + needed + 100_000)  # other connections come and go
    store.preflight(JOB, ROWS)
    assert publish(store, predictions).result == "live"


def test_what_does_not_fit_is_refused_with_numbers_before_it_is_loaded(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    predictions = make_predictions(ROWS)
    before = used(client)
    served = publish(store, predictions)
    took = used(client) - before
    client.config_set("maxmemory", used(client) + int(0.95 * took))
    with pytest.raises(
        UnavailableError, match=r"bytes free for 100,000 predictions of \d+\.\d bytes(.|\n)*live [\d,]+, previous 0"
    ):
        store.preflight(JOB, ROWS)
    assert [item.name for item in store.generations(JOB)] == [served.generation]


def test_a_load_that_runs_full_all_the_same_leaves_nothing_and_the_old_predictions(
    start_server: StartServer, clock: Clock
) -> None:
    """Somebody else may write in the meantime."""
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    predictions = make_predictions(ROWS)
    served = publish(store, predictions)
    store.preflight(JOB, ROWS)
    client.config_set("maxmemory", used(client) + 1_500_000)
    before = set(client.keys(f"nightjar:{JOB}:*"))
    with pytest.raises(UnavailableError, match="out of memory"):
        load_generation(store, make_predictions(ROWS, offset=0.5))
    assert set(client.keys(f"nightjar:{JOB}:*")) == before
    answers = Reader(server.url, JOB).get_many(list(predictions)[:100])
    assert {item.generation for item in answers.values()} == {served.generation}


def test_bytes_are_told_apart_by_use(store: PredictionStore, clock: Clock) -> None:
    pinned = publish(store, make_predictions(1000)).generation
    store.pin(JOB, pinned, "Jane Doe", "to compare with")
    for size in (2000, 3000, 4000):
        publish(store, make_predictions(size))
    load_generation(store, make_predictions(500))
    held = store.preflight(JOB, ROWS)["held"]
    assert held["live"] > held["previous"] > held["others"] > held["pinned"] > held["staged"] > 10_000


def test_without_anything_to_measure_nothing_is_guessed(store: PredictionStore) -> None:
    report = store.preflight(JOB, 10**12)
    assert (report["measured"], report["bytes_per_prediction"], report["servers"][0]["needed"]) == (None, None, None)


def test_more_than_the_machine_has_is_refused(store: PredictionStore) -> None:
    publish(store, make_predictions(1000))
    with pytest.raises(UnavailableError, match="kept for a fork's copy"):
        store.preflight(JOB, 10**12)


def test_pages_that_the_last_fork_copied_are_set_aside(start_server: StartServer, clock: Clock) -> None:
    server = start_server("--rdb-key-save-delay", "2000")
    store, client = PredictionStore(server.url, clock), server.client
    publish(store, make_predictions(20_000))
    client.bgsave()
    publish(store, make_predictions(20_000))
    client.config_set("rdb-key-save-delay", "0")
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        pass
    copied = client.info("persistence")["rdb_last_cow_size"]
    found = store.preflight(JOB, 1000)["servers"][0]
    assert found["fork_copy"] == copied > 0
    assert found["machine_free"] == found["machine"] - found["resident"] - copied


def test_a_redis_that_evicts_is_refused(start_server: StartServer, clock: Clock) -> None:
    server = start_server("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    with pytest.raises(RefusedError, match=r"noeviction(.|\n)*allkeys-lru"):
        PredictionStore(server.url, clock).preflight(JOB, 10)


def test_a_full_redis_is_refused_with_numbers(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    store = PredictionStore(server.url, clock)
    publish(store, make_predictions(1000))
    server.client.config_set("maxmemory", 100_000)
    with pytest.raises(UnavailableError, match=r"out of memory(.|\n)*used [\d,]+ of maxmemory 100,000 bytes"):
        store.preflight(JOB, 1000)


def test_a_writeable_replica_is_refused(start_server: StartServer, clock: Clock) -> None:
    master = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(master.port), "--replica-read-only", "no")
    while replica.client.info("replication")["master_link_status"] != "up":
        pass
    with pytest.raises(RefusedError, match=r"is a replica(.|\n)*link up"):
        PredictionStore(replica.url, clock).preflight(JOB, 10)


def test_too_few_replicas_stop_a_load(start_server: StartServer, clock: Clock) -> None:
    server = start_server("--min-replicas-to-write", "1")
    with pytest.raises(UnavailableError, match="too few replicas"):
        PredictionStore(server.url, clock).preflight(JOB, 10)


def test_a_user_who_may_not_write_is_refused(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    url = server.add_user("reader", "~nightjar:*", "+@read", "+info")
    with pytest.raises(RefusedError, match="may not do this"):
        PredictionStore(url, clock).preflight(JOB, 10)


def test_persistence_that_fails_is_a_warning_as_long_as_writes_are_taken(
    start_server: StartServer, clock: Clock
) -> None:
    server = start_server("--stop-writes-on-bgsave-error", "no")
    store, client = PredictionStore(server.url, clock), server.client
    assert store.preflight(JOB, 10)["warnings"] == []
    shutil.rmtree(server.folder)
    client.bgsave()
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        pass
    [warning] = store.preflight(JOB, 10)["warnings"]
    assert "rdb_last_bgsave_status is err" in warning


def test_every_master_of_a_cluster_is_asked_for_its_part(server: RedisServer, cluster: Cluster, clock: Clock) -> None:
    needed = []
    for url in (server.url, cluster.url):
        store = PredictionStore(url, clock)
        publish(store, make_predictions(ROWS))
        needed.append([found["needed"] for found in store.preflight(JOB, ROWS)["servers"]])
    (whole,), thirds = needed
    assert len(thirds) == 3
    assert max(thirds) < 0.5 * whole
    small = cluster.servers[1]
    small.client.config_set("maxmemory", used(small.client) + thirds[1] // 2)
    try:
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{small.port}"):
            store.preflight(JOB, ROWS)
    finally:
        small.client.config_set("maxmemory", 0)


def test_it_changes_nothing(store: PredictionStore, client: redis.Redis) -> None:
    publish(store, make_predictions(1000))
    before = set(client.keys())
    store.preflight(JOB, 1000)
    assert set(client.keys()) - {"nightjar:probe"} == before
    assert [item.state for item in store.generations(JOB)] == [State.LIVE]
    assert store.begin(JOB, PARTITION, 10, 1).token == 2
