"""Real Redis servers, and stores that publish to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.publisher import Publisher
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import Cluster, wait_until


class Clock:
    """Time that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2013, 4, 2, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """An empty Redis with its default settings; tests that change or stop one start their own."""
    shared_server.client.flushall()
    return shared_server


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start a Redis of the test's own, with options."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        folder = tmp_path / f"redis{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(folder, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """Three empty masters; tests that change or stop one start their own."""
    wait_until("the cluster is whole", shared_cluster.is_whole)
    shared_cluster.flush()
    return shared_cluster


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client as client:
        yield client


@pytest.fixture
def store(server: RedisServer, clock: Clock) -> Iterator[PredictionStore]:
    store = PredictionStore(server.url, clock)
    yield store
    store.close()


@pytest.fixture
def start_publisher(server: RedisServer) -> Iterator[Callable[[int], Publisher]]:
    """Start publishers of so many rows in processes of their own."""
    publishers: list[Publisher] = []

    def start(rows: int) -> Publisher:
        publishers.append(Publisher(server.url, rows))
        return publishers[-1]

    yield start
    for publisher in publishers:
        publisher.kill()
        publisher.communicate()
