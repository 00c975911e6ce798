"""Several wires to one master: exchanges beside one another, and nothing of any of them left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from typing import Any

import pytest
import redis

from pipeline.errors import UnavailableError
from pipeline.stores.predictions import masters
from pipeline.stores.predictions.masters import Master, Masters
from pipeline.stores.predictions.wire import encode_command, read_replies
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import wait_until

NODE = ""


class TakingTurns(redis.ConnectionPool):
    """Connections to one server and the other, as where another one became master meanwhile."""

    def __init__(self, *servers: RedisServer) -> None:
        self.pools = cycle([redis.ConnectionPool.from_url(server.url, protocol=2) for server in servers])
        super().__init__()

    def get_connection(self, *arguments: Any, **options: Any) -> Any:
        return next(self.pools).get_connection(*arguments, **options)

    def release(self, connection: Any) -> None:
        connection.disconnect()


@pytest.fixture
def one(client: redis.Redis) -> Iterator[Masters]:
    with closing(Masters(client)) as connected:
        yield connected


def test_every_thread_gets_its_own_replies(one: Masters) -> None:
    words = [letter * 100_000 for letter in "abcdefgh"] * 20
    with ThreadPoolExecutor(4) as threads:
        replies = threads.map(lambda word: next(read_replies(one.exchange(NODE, encode_command("ECHO", word)))), words)
        assert list(replies) == [word.encode() for word in words]


def test_an_exchange_goes_on_while_another_waits(one: Masters) -> None:
    """The first gets its reply from what the second sends."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(one.exchange, NODE, encode_command("BLPOP", "list", "30"))
        assert bytes(one.exchange(NODE, encode_command("RPUSH", "list", "word"))).startswith(b":")
        assert list(read_replies(waiting.result(30))) == [[b"list", b"word"]]


@pytest.mark.parametrize("number", range(masters._WIRES))
def test_a_replica_has_to_have_what_came_over_any_wire(
    start_server: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Redis answers ``WAIT`` for what one connection has seen; the others were there before it was written."""
    server = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(server.port))
    wait_until("the replica is there", lambda: len(server.client.role()[2]) == 1)
    server.client.set("another key", "value")
    wait_until("the replica is in step", lambda: is_in_step(server))
    monkeypatch.setattr(masters, "_WAIT_SECONDS", 0.5)
    assert replica.process is not None
    with server.client as client, closing(Master(client)) as master:
        os.kill(replica.process.pid, signal.SIGSTOP)
        try:
            master._wires[number].exchange(encode_command("SET", "key", "value"))
            assert master.wait(1) == 0
        finally:
            os.kill(replica.process.pid, signal.SIGCONT)
        monkeypatch.setattr(masters, "_WAIT_SECONDS", 30)
        assert master.wait(1) == 1


def is_in_step(server: RedisServer) -> bool:
    """Whether its only replica has told it that it has everything."""
    found = server.client.info("replication")
    return int(found["slave0"]["offset"]) == int(found["master_repl_offset"]) > 0


def test_wires_to_different_servers_are_refused(start_server: Callable[..., RedisServer]) -> None:
    servers = [start_server(), start_server()]
    client = redis.Redis(connection_pool=TakingTurns(*servers))
    with pytest.raises(UnavailableError, match="failed over while it was connected to"):
        Masters(client)
    for server in servers:
        assert len(server.client.client_list()) == 1, "only the one that asks: every wire was closed"
