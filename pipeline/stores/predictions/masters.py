"""The masters that a load's data goes to: one server, or all those of a cluster, each with wires of its own.

A master can be replaced in the middle of a load, by a replica or by itself after a restart, and the old one may go on
taking writes for a while.  What was read back from a master counts only as long as it is one.  So every replica that it
has must hold the data before the generation is sealed (:meth:`Masters.settle`), and the seal itself is refused by any
other server than the one that was read (:meth:`Masters.server_of`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from queue import LifoQueue
from typing import TYPE_CHECKING

import redis
from redis.cluster import RedisCluster

from pipeline.errors import UnavailableError
from pipeline.keyspace import bucket_key
from pipeline.stores.predictions.wire import ReplyError, Wire, encode_command, read_replies

if TYPE_CHECKING:
    from pipeline.stores.predictions.encoding import Chunk

_WAIT_SECONDS = 10.0
_ONLY = ""
_WIRES = 2
"""To every master: what comes over one is there to be worked on while the replies of the other are taken."""


class Master:
    """One master, connected to by several wires when it is made; :meth:`close` it.

    Attributes:
        address: where it is, for messages.
        run_id: tells this process from any other Redis server.
        replicas: how many were in step with it when the load began.

    Raises:
        UnavailableError: it does not answer, or the wires lead to different servers.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._wires: list[Wire] = []
        self._free: LifoQueue[Wire] = LifoQueue()
        try:
            for _ in range(_WIRES):
                self._wires.append(Wire(client))
            self.address = self._wires[0].address
            self.run_id = self._identify()
            self.replicas = self.count_replicas()
        except BaseException:
            self.close()
            raise
        for wire in self._wires:
            self._free.put(wire)

    def close(self) -> None:
        """Close every wire."""
        for wire in self._wires:
            wire.close()

    def exchange(self, commands: bytes) -> memoryview:
        """As :meth:`Wire.exchange`, over a wire that is free; waits for one."""
        wire = self._free.get()
        try:
            return wire.exchange(commands)
        finally:
            self._free.put(wire)

    def count_replicas(self) -> int:
        """Replicas in step; one that still receives its first copy cannot take over."""
        return _count_replicas(_read_info(self._wires[0], "replication"))

    def wait(self, replicas: int) -> int:
        """How many have, after a while, what was sent: Redis answers for the writes of the wire that asks."""
        return min(_wait(wire, replicas) for wire in self._wires)

    def _identify(self) -> str:
        run_ids = {_read_info(wire, "server")["run_id"] for wire in self._wires}
        if len(run_ids) > 1:
            raise UnavailableError(
                f"Redis failed over while it was connected to: {self.address}",
                expected="one server",
                found=f"{len(run_ids)}",
                next_step="publish again",
            )
        return run_ids.pop()


class Masters:
    """Connected to all masters when it is made; :meth:`close` it.

    Raises:
        UnavailableError: one of them does not answer.
        redis.RedisError, redis.exceptions.RedisClusterException: likewise.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._masters: dict[str, Master] = {}
        self._slots = _read_slots(client)
        try:
            for name, node in _list_nodes(client).items():
                self._masters[name] = Master(node)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every wire."""
        for master in self._masters.values():
            master.close()

    def exchange(self, node: str, commands: bytes) -> memoryview:
        """Send whole RESP commands to a node that :meth:`split` or :meth:`node_of` named; returns all of its replies.

        Threads that do so at once are served at once, as far as there are wires.

        Raises:
            UnavailableError: the connection broke or stood still.
        """
        return self._masters[node].exchange(commands)

    def node_of(self, key: str) -> str:
        """The node that holds ``key``."""
        return self._slots[self._client.keyslot(key)] if self._slots else _ONLY  # type: ignore[attr-defined]

    def server_of(self, key: str) -> str:
        """Run id of the server that holds ``key``."""
        return self._masters[self.node_of(key)].run_id

    def split(self, chunk: Chunk, job: str, generation: str) -> Iterator[tuple[str, Chunk]]:
        """The part of a chunk that goes to each node."""
        if not self._slots:
            yield _ONLY, chunk
            return
        parts: dict[str, list[tuple[int, int, memoryview]]] = {}
        for bucket, count, body in chunk.bodies():
            parts.setdefault(self.node_of(bucket_key(job, generation, bucket)), []).append((bucket, count, body))
        for node, bodies in parts.items():
            yield node, type(chunk).of_bodies(bodies)

    def settle(self) -> None:
        """Wait until the replicas have what was sent, and see that the data still lies where it was read.

        Raises:
            UnavailableError: a replica is missing or lags, or the cluster moved slots meanwhile.
        """
        for master in self._masters.values():
            due = max(master.replicas, master.count_replicas())
            if due and (reached := master.wait(due)) < due:
                raise UnavailableError(
                    f"the replicas of Redis do not have the new generation: {master.address}",
                    expected=f"{due} in step within {_WAIT_SECONDS:g} s",
                    found=f"{reached}",
                    next_step="bring its replicas back, then publish again",
                )
        if _read_slots(self._client) != self._slots:
            raise UnavailableError(
                "the cluster gave slots to other masters during the load",
                expected="the masters that were loaded",
                next_step="publish again once the cluster has settled",
            )


def unlink_keys(client: redis.Redis, keys: list[str]) -> None:
    """Unlink data keys wherever they lie."""
    if not isinstance(client, RedisCluster):
        client.unlink(*keys)
        return
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.execute_command("UNLINK", key)
        pipeline.execute()


def _list_nodes(client: redis.Redis) -> dict[str, redis.Redis]:
    if not isinstance(client, RedisCluster):
        return {_ONLY: client}
    return {node.name: client.get_redis_connection(node) for node in client.get_primaries()}


def _read_slots(client: redis.Redis) -> list[str]:
    """The node of every slot, asked for anew; empty for a single server."""
    if not isinstance(client, RedisCluster):
        return []
    client.nodes_manager.initialize()
    cache = client.nodes_manager.slots_cache
    return [cache[slot][0].name for slot in range(len(cache))]


def _count_replicas(replication: dict[str, str]) -> int:
    return sum(1 for name, value in replication.items() if re.fullmatch(r"slave\d+", name) and "state=online" in value)


def _read_info(wire: Wire, section: str) -> dict[str, str]:
    (reply,) = read_replies(wire.exchange(encode_command("INFO", section)))
    if isinstance(reply, ReplyError):
        raise reply
    lines = (line.partition(":") for line in reply.decode().splitlines())
    return {name: value for name, separator, value in lines if separator}


def _wait(wire: Wire, replicas: int) -> int:
    (reply,) = read_replies(wire.exchange(encode_command("WAIT", str(replicas), str(int(_WAIT_SECONDS * 1000)))))
    if isinstance(reply, ReplyError):
        raise reply
    return int(reply)
