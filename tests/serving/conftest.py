"""The same Redis servers and stores as for the publishing side."""

from tests.stores.predictions.conftest import (
    client,
    clock,
    cluster,
    server,
    shared_cluster,
    shared_server,
    start_server,
    store,
)

__all__ = ["client", "clock", "cluster", "server", "shared_cluster", "shared_server", "start_server", "store"]
