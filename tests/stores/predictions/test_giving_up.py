"""Giving up a load removes its data, but never that of a generation that was sealed in the meantime."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from pipeline.errors import RefusedError, UnavailableError
from pipeline.keyspace import Header, State, token_key
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load
from pipeline.stores.predictions.registry import Generation, Registry
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
from tests.stores.predictions.server import RedisServer

PREDICTIONS = make_predictions(1000)


def begin_and_send(store: PredictionStore) -> Load:
    load = store.begin(JOB, PARTITION, len(PREDICTIONS), 4)
    send_all(load, split(PREDICTIONS, 4))
    return load


def states(store: PredictionStore) -> dict[str, str]:
    return {item.name: item.state.value for item in store.generations(JOB)}


def read_served(server: RedisServer) -> dict[str, object]:
    return {name: found.value for name, found in Reader(server.url, JOB).get_many(PREDICTIONS).items()}


def after_listing(monkeypatch: pytest.MonkeyPatch, step: Callable[[], object]) -> None:
    """Do ``step`` once, right after somebody has listed the generations."""
    listed = Registry.read_generations

    def list_and_step(registry: Registry) -> list[Generation]:
        generations = listed(registry)
        monkeypatch.setattr(Registry, "read_generations", listed)
        step()
        return generations

    monkeypatch.setattr(Registry, "read_generations", list_and_step)


def test_a_slow_load_that_becomes_live_while_it_is_given_up_keeps_its_data(
    store: PredictionStore, server: RedisServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = begin_and_send(store)
    clock.advance(minutes=61)

    def finish() -> None:
        slow.seal(make_header(slow))
        assert store.flip(JOB, slow.generation, slow.token).result == "live"

    after_listing(monkeypatch, finish)
    successor = store.begin(JOB, PARTITION, 10, 1)
    assert states(store) == {slow.generation: "live", successor.generation: "loading"}
    assert read_served(server) == PREDICTIONS


def test_a_slow_load_that_is_sealed_while_it_is_given_up_can_be_made_live(
    store: PredictionStore, server: RedisServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = begin_and_send(store)
    clock.advance(minutes=61)
    after_listing(monkeypatch, lambda: slow.seal(make_header(slow)))
    store.begin(JOB, PARTITION, 10, 1)
    assert store.flip(JOB, slow.generation, slow.token).result == "live"
    assert read_served(server) == PREDICTIONS


def test_what_somebody_else_gave_up_first_is_removed_all_the_same(
    store: PredictionStore, client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may have died between rejecting and removing."""
    dead = begin_and_send(store)
    clock.advance(minutes=61)
    registry = Registry(client, JOB, clock)
    after_listing(monkeypatch, lambda: registry.reject(dead.generation, PARTITION, [State.LOADING]))
    store.begin(JOB, PARTITION, 10, 1)
    assert not list(client.scan_iter(f"nightjar:{JOB}:{dead.generation}:*"))


def test_a_generation_that_was_sealed_and_whose_reply_was_lost_is_left_whole(
    store: PredictionStore, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_replies_to_seal(monkeypatch)
    load = begin_and_send(store)
    with pytest.raises(UnavailableError) as lost, load:
        load.seal(make_header(load))
    assert lost.value.__notes__ == [
        f"{load.generation} was sealed, only the reply was lost: it is whole and was left as it is"
    ]
    assert states(store) == {load.generation: "verified"}
    assert store.flip(JOB, load.generation, load.token).result == "live"
    assert read_served(server) == PREDICTIONS


def test_the_next_publication_supersedes_it_and_prune_removes_it(
    store: PredictionStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lose_replies_to_seal(patch)
        with pytest.raises(UnavailableError):
            load_generation(store, PREDICTIONS)
    [lost] = states(store)
    publish(store, PREDICTIONS)
    assert store.prune(JOB) == [lost]
    assert not list(client.scan_iter(f"nightjar:{JOB}:{lost}:*"))


def test_abandoning_what_was_sealed_is_refused(store: PredictionStore, server: RedisServer) -> None:
    load = begin_and_send(store)
    load.seal(make_header(load))
    store.flip(JOB, load.generation, load.token)
    with pytest.raises(RefusedError, match="a sealed generation is not abandoned"):
        load.abandon()
    assert read_served(server) == PREDICTIONS


def test_abandoning_what_redis_says_is_sealed_is_refused(
    store: PredictionStore, server: RedisServer, client: redis.Redis, clock: Clock
) -> None:
    """Though this load never heard of it."""
    load = begin_and_send(store)
    Registry(client, JOB, clock).seal(make_header(load), str(client.info("server")["run_id"]))
    with pytest.raises(RefusedError, match="a sealed generation is not abandoned"):
        load.abandon()
    store.flip(JOB, load.generation, load.token)
    assert read_served(server) == PREDICTIONS


def lose_replies_to_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Registry.seal

    def seal_and_lose_the_reply(registry: Registry, header: Header, run_id: str) -> str:
        assert seal(registry, header, run_id) == "verified"
        raise UnavailableError("Redis does not answer")

    monkeypatch.setattr(Registry, "seal", seal_and_lose_the_reply)


def test_a_load_that_was_discarded_leaves_its_token_alone(store: PredictionStore, client: redis.Redis) -> None:
    with store.begin(JOB, PARTITION, len(PREDICTIONS), 4) as load:
        load.send_priors({"": 0.5})
        send_all(load, split(PREDICTIONS, 4))
        load.discard()
    assert client.keys("*") == [token_key(JOB)]
    assert store.begin(JOB, PARTITION, 10, 1).token == load.token + 1


def test_a_sealed_load_is_not_discarded(store: PredictionStore, server: RedisServer) -> None:
    load = begin_and_send(store)
    load.seal(make_header(load))
    with pytest.raises(RefusedError, match="not abandoned"):
        load.discard()
    assert store.flip(JOB, load.generation, load.token).result == "live"
    assert read_served(server) == PREDICTIONS
