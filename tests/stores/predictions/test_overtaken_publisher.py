"""Publishers in real processes that were overtaken: each fails with a clear error and changes nothing that is read."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
import redis

from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.publisher import STEPS, Publisher
from tests.stores.predictions.samples import JOB, PARTITION, make_predictions, publish
from tests.stores.predictions.server import RedisServer

StartPublisher = Callable[[int], Publisher]
ROWS = 20_000
OLD, NEW = make_predictions(1000), make_predictions(1000, offset=0.25)


def read_served(server: RedisServer) -> tuple[dict[str, object], dict[str, object]]:
    """What readers find as live, and by partition."""
    reader = Reader(server.url, JOB)
    live, of_partition = reader.get_many(OLD), reader.get_many(OLD, partition=PARTITION)
    reader.close()
    return (
        {name: item.value for name, item in live.items()},
        {name: item.value for name, item in of_partition.items()},
    )


@pytest.mark.parametrize("step", STEPS)
def test_a_publisher_paused_while_its_successor_publishes(
    store: PredictionStore, server: RedisServer, start_publisher: StartPublisher, step: str
) -> None:
    publish(store, OLD)
    paused = start_publisher(ROWS)
    paused.go_on_until(step)
    paused.send_signal(signal.SIGSTOP)
    paused.let_go(len(STEPS) + 1)
    successor = publish(store, NEW)
    assert successor.result == "live"
    paused.send_signal(signal.SIGCONT)
    code, errors = paused.finish()
    assert code != 0
    assert f"was not made live; readers still see {successor.generation}" in errors
    assert read_served(server) == (NEW, NEW)


@pytest.mark.parametrize("step", STEPS)
def test_a_publisher_paused_while_its_successor_is_published_and_rolled_back(
    store: PredictionStore, server: RedisServer, start_publisher: StartPublisher, step: str
) -> None:
    """What is live then has a lower token in its name than the paused publisher has."""
    first = publish(store, OLD)
    paused = start_publisher(ROWS)
    paused.go_on_until(step)
    paused.send_signal(signal.SIGSTOP)
    paused.let_go(len(STEPS) + 1)
    publish(store, NEW)
    assert store.rollback(JOB, None, who="Jane Doe", why="zeros").generation == first.generation
    paused.send_signal(signal.SIGCONT)
    code, errors = paused.finish()
    assert code != 0
    known = f"was not made live; readers still see {first.generation}" if step == "sealed" else "there was a rollback"
    assert known in errors
    assert read_served(server) == (OLD, OLD)


def test_a_publisher_paused_in_the_middle_of_sending_until_it_was_given_up(
    store: PredictionStore, server: RedisServer, client: redis.Redis, clock: Clock, start_publisher: StartPublisher
) -> None:
    publish(store, OLD)
    before = client.dbsize()
    paused = start_publisher(15 * ROWS)
    paused.go_on_until("begun")
    paused.let_go(len(STEPS) + 1)
    while client.dbsize() < before + 100:
        assert paused.poll() is None
    paused.send_signal(signal.SIGSTOP)
    clock.advance(hours=2)
    publish(store, NEW)
    [given_up] = [item.name for item in store.generations(JOB) if item.state == "rejected"]
    paused.send_signal(signal.SIGCONT)
    code, errors = paused.finish()
    assert code != 0
    assert "given up" in errors or "not what was sent" in errors
    assert read_served(server) == (NEW, NEW)
    assert not client.keys(f"nightjar:{JOB}:{given_up}:*")


def test_two_runs_of_one_partition_at_once(
    store: PredictionStore, server: RedisServer, start_publisher: StartPublisher
) -> None:
    """Side by side, without a word to each other: whoever took the higher token wins."""
    publish(store, OLD)
    both = [start_publisher(ROWS), start_publisher(ROWS)]
    for publisher in both:
        publisher.let_go(len(STEPS) + 1)
    ends = [publisher.finish() for publisher in both]
    newest = store.generations(JOB)[0]
    live = store.live(JOB)
    assert live is not None
    assert live.generation == newest.name
    assert [code for code, _ in ends].count(0) >= 1
    assert all("was not made live" in errors for code, errors in ends if code)
    expected = {name: value for name, value in make_predictions(ROWS, offset=0.5).items() if name in OLD}
    assert read_served(server) == (expected, expected)


def test_the_run_that_began_first_is_refused_when_it_ends_last(
    store: PredictionStore, server: RedisServer, start_publisher: StartPublisher
) -> None:
    first = start_publisher(ROWS)
    first.go_on_until("begun")
    second = start_publisher(ROWS)
    second.go_on_until("live")
    first.let_go(len(STEPS) + 1)
    code, errors = first.finish()
    assert code != 0
    assert "a token higher than live's or the last rollback's, 2" in errors
    second.let_go()
    assert second.finish()[0] == 0
    live = store.live(JOB)
    assert live is not None
    assert live.token == 2
