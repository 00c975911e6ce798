"""A connection to Redis for traffic that a client library would take apart value by value."""

from __future__ import annotations

import secrets
import selectors
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Any, cast

import redis

from pipeline.errors import UnavailableError
from pipeline.redis_url import describe_client

_RECEIVE_BYTES = 1 << 18
_SEND_BYTES = 1 << 18
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ReplyError(Exception):
    """An error reply, such as ``-OOM …``."""


class Wire:
    """The socket of one redis-py connection, so that TLS, users and unix sockets come from its URL.

    It speaks RESP2.  Replies are read while commands are still being sent: neither side can wait for the other.  It
    serves one thread at a time.

    Attributes:
        address: where it leads, for messages.
    """

    def __init__(self, client: redis.Redis, idle_seconds: float = 60.0) -> None:
        self._pool = client.connection_pool
        self.address = describe_client(client)
        self._idle_seconds = idle_seconds
        self._failure: UnavailableError | None = None
        self._connection = cast("Any", self._pool.get_connection())
        # An ECHO ends every exchange; a user who may not send it would wait for it in vain.
        self._connection.send_command("ECHO", "nightjar")
        self._connection.read_response()
        self._socket = self._connection._get_socket()  # noqa: SLF001 - redis-py has no public way to its socket
        self._socket.setblocking(False)

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; it does not go back to the pool, since replies might still be on their way."""
        self._connection.disconnect()
        self._pool.release(self._connection)

    def exchange(self, commands: bytes) -> memoryview:
        """Send ``commands`` (whole RESP commands) and return all of their replies.

        Raises:
            UnavailableError: the connection broke or stood still, now or before: what comes late is no reply to these.
        """
        if self._failure is not None:
            raise self._failure
        nonce = secrets.token_hex(16).encode()
        end = b"$32\r\n" + nonce + b"\r\n"
        unsent = memoryview(commands + b"*2\r\n$4\r\nECHO\r\n" + end)
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while not received.endswith(end):
                selector.modify(self._socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
                if not selector.select(self._idle_seconds):
                    raise self._broken(f"nothing moved for {self._idle_seconds:.0f} s", received)
                try:
                    unsent = self._send(unsent)
                    self._receive(received, end)
                except OSError as error:
                    raise self._broken(str(error), received) from error
        return memoryview(received)[: -len(end)]

    def _send(self, unsent: memoryview) -> memoryview:
        try:
            return unsent[self._socket.send(unsent[:_SEND_BYTES]) :] if unsent else unsent
        except _WOULD_BLOCK:
            return unsent

    def _receive(self, received: bytearray, end: bytes) -> None:
        """Take what has arrived, all of it: what TLS has already decrypted would not wake the selector."""
        while not received.endswith(end):
            try:
                part = self._socket.recv(_RECEIVE_BYTES)
            except _WOULD_BLOCK:
                return
            if not part:
                raise ConnectionResetError("Redis closed the connection")
            received += part

    def _broken(self, found: str, received: bytearray) -> UnavailableError:
        errors = [str(reply) for reply in read_replies(memoryview(received)) if isinstance(reply, ReplyError)]
        self._failure = UnavailableError(
            f"the connection to Redis broke: {self.address}",
            expected="a reply to every command",
            found="; ".join([found, *errors[:1]]),
            next_step="see the log of Redis, then publish again",
        )
        return self._failure


def encode_command(*words: str | bytes) -> bytes:
    """A command as RESP."""
    encoded = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


def read_replies(content: memoryview) -> Iterator[Any]:
    """Take RESP2 replies apart: int, bytes, None, list or :class:`ReplyError`; stops before an incomplete one."""
    data, position = bytes(content), 0
    while position < len(data):
        try:
            reply, position = _read_reply(data, position)
        except (IndexError, ValueError):
            return
        yield reply


def _read_reply(data: bytes, position: int) -> tuple[Any, int]:
    line_end = data.index(b"\r\n", position)
    kind, line, position = data[position : position + 1], data[position + 1 : line_end], line_end + 2
    if kind == b"-":
        return ReplyError(line.decode("utf-8", "replace")), position
    if kind == b"+":
        return line, position
    size = int(line)
    if kind == b":":
        return size, position
    if size < 0:
        return None, position
    if kind == b"$":
        if position + size + 2 > len(data):
            raise IndexError
        return data[position : position + size], position + size + 2
    items = []
    for _ in range(size):
        item, position = _read_reply(data, position)
        items.append(item)
    return items, position
