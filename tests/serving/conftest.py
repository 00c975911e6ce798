"""The same Redis servers and stores as for the publishing side, and both readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.serving import Reader
from tests.serving.readers import AnyReader, Awaited, OpenReader
from tests.stores.predictions.conftest import (
    Clock,
    client,
    clock,
    cluster,
    server,
    shared_cluster,
    shared_server,
    start_server,
    store,
)
from tests.stores.predictions.samples import JOB
from tests.stores.predictions.server import RedisServer

__all__ = ["client", "clock", "cluster", "server", "shared_cluster", "shared_server", "start_server", "store"]


@pytest.fixture(params=[Reader, Awaited], ids=["blocking", "awaiting"])
def open_reader(request: pytest.FixtureRequest, clock: Clock) -> Iterator[OpenReader]:
    """Open a reader that looks up what is live every time."""
    readers: list[AnyReader] = []

    def open_one(url: str, **options: Any) -> AnyReader:
        readers.append(request.param(url, JOB, **{"clock": clock, "live_seconds": 0, **options}))
        return readers[-1]

    yield open_one
    for reader in readers:
        reader.close()


@pytest.fixture
def reader(open_reader: OpenReader, server: RedisServer) -> AnyReader:
    return open_reader(server.url)
