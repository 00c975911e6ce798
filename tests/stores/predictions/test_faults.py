"""What Redis refuses while publishing: a clear error, nothing left over, and the old predictions stay live."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import redis

from pipeline.errors import NightjarError, RefusedError, UnavailableError
from pipeline.stores.predictions import PredictionStore
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

StartServer = Callable[..., RedisServer]


def count_data_keys(client: redis.Redis, load: Load) -> int:
    return len(list(client.scan_iter(f"nightjar:{JOB}:{load.generation}:*")))


def test_a_full_redis_stops_the_load_with_numbers_and_keeps_what_is_live(
    start_server: StartServer, clock: Clock
) -> None:
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    served = publish(store, make_predictions(1000))
    load = store.begin(JOB, PARTITION, 300_000, 1)
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 1_000_000)
    with pytest.raises(UnavailableError, match=r"out of memory(.|\n)*used [\d,]+ of maxmemory [\d,]+ bytes"):
        send_all(load, [make_table(make_predictions(300_000))])
    assert count_data_keys(client, load) == 0
    live = store.live(JOB)
    assert live is not None
    assert live.generation == served.generation
    assert {item.name: item.state for item in store.generations(JOB)}[load.generation] == "rejected"


def test_flip_abandon_and_prune_work_on_a_full_redis(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    first = publish(store, make_predictions(1000))
    second = load_generation(store, make_predictions(1000))
    broken = store.begin(JOB, PARTITION, 1000, 1)
    client.config_set("maxmemory", 100_000)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("any", "thing")
    assert store.flip(JOB, second.generation, second.token).result == "live"
    assert store.flip(JOB, first.generation, store.take_token(JOB)).result == "live"
    broken.abandon()
    clock.advance(hours=2)
    assert store.prune(JOB) == [broken.generation]
    with pytest.raises(UnavailableError, match="out of memory"):
        store.begin(JOB, PARTITION, 1000, 1)


def test_a_read_only_replica_is_refused(start_server: StartServer, clock: Clock) -> None:
    master = start_server()
    replica = start_server("--replicaof", "127.0.0.1", str(master.port))
    with pytest.raises(UnavailableError, match="read-only replica"):
        PredictionStore(replica.url, clock).begin(JOB, PARTITION, 10, 1)


def test_a_master_that_becomes_a_replica_stops_the_load(start_server: StartServer, clock: Clock) -> None:
    server, other = start_server(), start_server()
    load = PredictionStore(server.url, clock).begin(JOB, PARTITION, 5000, 1)
    server.client.replicaof("127.0.0.1", str(other.port))
    with pytest.raises(UnavailableError, match="read-only replica") as caught:
        send_all(load, [make_table(make_predictions(5000))])
    assert any("could not be cleaned up" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("denied", ["evalsha", "hset", "hgetall", "echo", "object|encoding", "unlink"])
def test_a_user_without_rights_is_told_so(start_server: StartServer, clock: Clock, denied: str) -> None:
    server = start_server()
    if server.client.info("server")["redis_version"] < "7" and "|" in denied:
        denied = denied.split("|", maxsplit=1)[0]
    store = PredictionStore(server.add_user("publisher", "~nightjar:*", "+@all", f"-{denied}"), clock)
    with pytest.raises(RefusedError, match="may not do this"):
        give_up(store.begin(JOB, PARTITION, 5000, 1))


def give_up(load: Load) -> None:
    send_all(load, [make_table(make_predictions(5000))])
    load.abandon()


def test_wrong_credentials_are_refused_and_not_repeated(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    server.add_user("publisher", "~*", "+@all")
    with pytest.raises(RefusedError, match="user or password") as caught:
        PredictionStore(server.url_of("publisher", "wrong-one"), clock).begin(JOB, PARTITION, 10, 1)
    assert "wrong-one" not in str(caught.value)


def test_a_redis_that_cannot_save_is_refused(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    client = server.client
    client.config_set("save", "3600 100000")
    shutil.rmtree(server.folder)
    client.bgsave()
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        pass
    with pytest.raises(UnavailableError, match="cannot save to disk"):
        PredictionStore(server.url, clock).begin(JOB, PARTITION, 10, 1)


def test_a_redis_that_is_down_is_named(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    store = PredictionStore(server.url, clock)
    server.stop()
    with pytest.raises(UnavailableError, match=f"does not answer: 127.0.0.1:{server.port}"):
        store.begin(JOB, PARTITION, 10, 1)


def test_a_redis_that_dies_in_the_middle_of_a_load(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    shards = split(make_predictions(300_000), 4)
    load = PredictionStore(server.url, clock).begin(JOB, PARTITION, 300_000, 4)
    load.send(shards[0])
    server.stop()
    with pytest.raises(UnavailableError, match=r"broke|does not answer"):
        send_all(load, shards[1:])


def test_publishing_again_restores_a_redis_that_lost_everything(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    store = PredictionStore(server.url, clock)
    before = publish(store, make_predictions(1000))
    server.stop()
    server.start()
    assert store.live(JOB) is None
    after = publish(store, make_predictions(1000), known_token=int(before.generation.split("-")[0]))
    assert after.result == "live"
    assert after.generation.startswith("2-")


def test_a_restart_in_the_middle_of_a_load_is_noticed(start_server: StartServer, clock: Clock) -> None:
    """An empty Redis knows nothing of the load, whatever could still be sent to it."""
    server = start_server()
    load = PredictionStore(server.url, clock).begin(JOB, PARTITION, 100, 1)
    server.stop()
    server.start()
    send_all(load, [make_table(make_predictions(100))])
    with pytest.raises(RefusedError, match="unknown"):
        load.seal(make_header(load))
    assert count_data_keys(server.client, load) == 0


def test_every_refusal_says_what_to_do(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    server.stop()
    with pytest.raises(NightjarError) as caught:
        PredictionStore(server.url, clock).live(JOB)
    assert caught.value.job == JOB
    assert caught.value.expected
    assert caught.value.found
    assert caught.value.next_step
