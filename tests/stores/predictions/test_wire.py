"""Bulk traffic over a bare socket."""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
import redis

from pipeline.errors import UnavailableError
from pipeline.stores.predictions.wire import ReplyError, Wire, read_replies
from tests.stores.predictions.server import RedisServer


def encode(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


def test_replies_come_in_the_order_of_the_commands(client: redis.Redis) -> None:
    with Wire(client) as wire:
        replies = wire.exchange(encode("SET", "a", "1") + encode("GET", "a") + encode("GET", "b") + encode("INCR", "a"))
        assert list(read_replies(replies)) == [b"OK", b"1", None, 2]
        assert bytes(wire.exchange(encode("ECHO", "x"))) == b"$1\r\nx\r\n"


def test_error_replies_are_kept_in_their_place(client: redis.Redis) -> None:
    client.set("a", "text")
    with Wire(client) as wire:
        replies = list(read_replies(wire.exchange(encode("HSET", "a", "b", "c") + encode("GET", "a"))))
    assert isinstance(replies[0], ReplyError)
    assert str(replies[0]).startswith("WRONGTYPE")
    assert replies[1] == b"text"


@pytest.mark.parametrize("content", [b"", b":1", b"$5\r\nab", b"*2\r\n:1\r\n", b"$"])
def test_an_incomplete_reply_is_left_out(content: bytes) -> None:
    assert list(read_replies(memoryview(b":7\r\n" + content))) == [7]


def test_the_connection_is_not_used_again_by_redis_py(client: redis.Redis) -> None:
    client.ping()
    with Wire(client) as wire:
        wire.exchange(encode("SET", "a", "1"))
    assert client.get("a") == "1"


def test_wires_work_over_a_unix_socket_with_user_and_password(start_server: Callable[..., RedisServer]) -> None:
    server = start_server("--unixsocket", "redis.sock")
    server.add_user("publisher", "~*", "+@all")
    url = f"unix://publisher:secret@{server.folder / 'redis.sock'}"
    with redis.Redis.from_url(url) as client, Wire(client) as wire:
        assert bytes(wire.exchange(encode("SET", "a", "1"))) == b"+OK\r\n"


@contextmanager
def serve(behave: Callable[[socket.socket], None]) -> Iterator[redis.Redis]:
    """A server that answers the greeting like Redis and then does what it is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_greet, args=(listener, behave), daemon=True)
        thread.start()
        with redis.Redis(port=listener.getsockname()[1], protocol=2) as client:
            yield client
        thread.join(timeout=10)


def _greet(listener: socket.socket, behave: Callable[[socket.socket], None]) -> None:
    connection, _ = listener.accept()
    with connection:
        while b"ECHO" not in (received := connection.recv(65536)):
            connection.sendall(b"+OK\r\n" * received.count(b"*"))
        connection.sendall(b"$8\r\nnightjar\r\n")
        behave(connection)


def test_a_connection_that_closes_is_an_error_with_the_last_words() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"-MAXCLIENTS go away\r\n")

    with serve(refuse) as client, Wire(client) as wire, pytest.raises(UnavailableError, match="MAXCLIENTS go away"):
        wire.exchange(encode("PING"))


def test_a_connection_that_stands_still_is_an_error() -> None:
    def wait(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    with (
        serve(wait) as client,
        Wire(client, idle_seconds=0.2) as wire,
        pytest.raises(UnavailableError, match="nothing moved"),
    ):
        wire.exchange(encode("PING"))


def test_a_connection_that_stood_still_is_not_used_again() -> None:
    """What comes late would be taken for the replies to other commands."""
    received, given_up, answered = bytearray(), Event(), Event()

    def answer_late(connection: socket.socket) -> None:
        received.extend(connection.recv(65536))
        given_up.wait()
        connection.sendall(bytes(received))
        answered.set()
        while part := connection.recv(65536):
            received.extend(part)

    with serve(answer_late) as client, Wire(client, idle_seconds=0.2) as wire:
        with pytest.raises(UnavailableError, match="nothing moved"):
            wire.exchange(encode("PING"))
        given_up.set()
        assert answered.wait(10)
        with pytest.raises(UnavailableError, match="nothing moved"):
            wire.exchange(encode("TIME"))
    assert b"PING" in received
    assert b"TIME" not in received


def wait_until_stuck(connection: socket.socket) -> None:
    """Wait until the other side can send no more: what is unread here no longer grows."""
    before, now = -1, 0
    while now != before:
        time.sleep(0.05)
        before, now = now, int.from_bytes(fcntl.ioctl(connection, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_replies_are_taken_while_commands_are_still_being_sent() -> None:
    """This server takes nothing more until its replies were taken: to write all and then read would never end."""
    flood = b"x" * (32 << 20)

    def answer_at_length(connection: socket.socket) -> None:
        part = connection.recv(65536)
        wait_until_stuck(connection)
        connection.sendall(flood)
        while part:
            connection.sendall(part)
            part = connection.recv(65536)

    payload = encode("ECHO", "x" * 4000) * 5000
    with serve(answer_at_length) as client, Wire(client, idle_seconds=5) as wire:
        replies = wire.exchange(payload)
    assert replies[: len(flood)] == flood
    assert replies[len(flood) : len(flood) + len(payload)] == payload
