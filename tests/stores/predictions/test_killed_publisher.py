"""A publisher that is killed leaves the old predictions served, and the next publish in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.publisher import STEPS, Publisher
from tests.stores.predictions.samples import JOB, PARTITION, make_predictions, publish
from tests.stores.predictions.server import RedisServer

ROWS = 300_000


def check_old_is_served_and_next_publishes(
    store: PredictionStore, server: RedisServer, clock: Clock, killed: str
) -> None:
    old = make_predictions(1000)
    assert {name: item.value for name, item in Reader(server.url, JOB).get_many(old).items()} == old
    clock.advance(hours=3)
    new = make_predictions(1000, offset=0.25)
    assert publish(store, new).result == "live"
    assert {name: item.value for name, item in Reader(server.url, JOB).get_many(new).items()} == new
    clock.advance(hours=3)
    store.prune(JOB)
    assert killed not in {item.name for item in store.generations(JOB)}
    assert not list(server.client.scan_iter(f"nightjar:{JOB}:{killed}:*"))


@pytest.mark.parametrize("step", STEPS)
def test_killed_between_two_steps(
    store: PredictionStore,
    server: RedisServer,
    clock: Clock,
    start_publisher: Callable[[int], Publisher],
    step: str,
) -> None:
    old = publish(store, make_predictions(1000))
    process = start_publisher(20_000)
    process.go_on_until(step)
    process.kill()
    process.wait()
    killed = store.generations(JOB)[0]
    assert killed.state == ("verified" if step == "sealed" else "loading")
    live = store.live(JOB)
    assert live is not None
    assert live.generation == old.generation
    check_old_is_served_and_next_publishes(store, server, clock, killed.name)


@pytest.mark.parametrize("keys", [1, 500, 1500, 3000])
def test_killed_in_the_middle_of_sending(
    store: PredictionStore,
    server: RedisServer,
    client: redis.Redis,
    clock: Clock,
    start_publisher: Callable[[int], Publisher],
    keys: int,
) -> None:
    publish(store, make_predictions(1000))
    before = client.dbsize()
    process = start_publisher(ROWS)
    process.go_on_until("first shard sent" if keys > 1000 else "begun")
    process.let_go()
    while client.dbsize() < before + keys:
        assert process.poll() is None
    process.kill()
    process.wait()
    killed = store.generations(JOB)[0]
    assert (killed.state, killed.partition) == ("loading", PARTITION)
    check_old_is_served_and_next_publishes(store, server, clock, killed.name)
