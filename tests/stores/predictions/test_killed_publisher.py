"""A publisher that is killed leaves the old predictions served, and the next publish in order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, make_predictions, publish
from tests.stores.predictions.server import RedisServer

ROOT = Path(__file__).resolve().parents[3]
ROWS = 300_000
STEPS = ["begun", "first shard sent", "read back", "sealed"]

PUBLISHER = """
import sys
from datetime import UTC, datetime
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, split

def reach(step):
    print(step, flush=True)
    sys.stdin.readline()

url, rows = sys.argv[1], int(sys.argv[2])
shards = split(make_predictions(rows, offset=0.5), 4)
store = PredictionStore(url, lambda: datetime(2013, 4, 2, 9, 30, tzinfo=UTC))
load = store.begin(JOB, PARTITION, rows, 4)
reach("begun")
load.send(shards[0])
reach("first shard sent")
for shard in shards[1:]:
    load.send(shard)
load.read_back()
reach("read back")
load.seal(make_header(load))
reach("sealed")
store.flip(JOB, load.generation, load.token)
reach("live")
"""


@pytest.fixture
def start_publisher(server: RedisServer) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    processes = []

    def start(rows: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PUBLISHER, server.url, str(rows)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def go_on_until(process: subprocess.Popen[str], step: str) -> None:
    """Let the publisher go on until it has reached ``step``, and leave it waiting there."""
    assert process.stdin
    assert process.stdout
    while (reached := process.stdout.readline().strip()) != step:
        assert reached, "the publisher ended early"
        process.stdin.write("\n")
        process.stdin.flush()


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


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
    start_publisher: Callable[[int], subprocess.Popen[str]],
    step: str,
) -> None:
    old = publish(store, make_predictions(1000))
    process = start_publisher(20_000)
    go_on_until(process, step)
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
    start_publisher: Callable[[int], subprocess.Popen[str]],
    keys: int,
) -> None:
    publish(store, make_predictions(1000))
    before = client.dbsize()
    process = start_publisher(ROWS)
    go_on_until(process, "first shard sent" if keys > 1000 else "begun")
    let_go(process)
    while client.dbsize() < before + keys:
        assert process.poll() is None
    process.kill()
    process.wait()
    killed = store.generations(JOB)[0]
    assert (killed.state, killed.partition) == ("loading", PARTITION)
    check_old_is_served_and_next_publishes(store, server, clock, killed.name)
