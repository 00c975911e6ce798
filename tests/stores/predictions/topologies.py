"""Real clusters, and real masters with replicas and sentinels, on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from pipeline.local.ports import find_free_port
from tests.stores.predictions.server import RedisServer

SLOTS = 16384
SERVICE = "predictions"


def wait_until(what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition of something that other processes are about to do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.02)


class ClusterNode(RedisServer):
    """A server on a port whose neighbour ten thousand further, for the bus between nodes, is free too."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir()
        super().__init__(folder, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000", *options)

    def find_port(self) -> int:
        while not _is_free(port := find_free_port() % 20_000 + 10_000) or not _is_free(port + 10_000):
            pass
        return port


class Sentinel(RedisServer):
    """A sentinel that gives a master up for dead after two seconds."""

    def __init__(self, folder: Path, master: RedisServer) -> None:
        folder.mkdir()
        self.configuration = folder / "sentinel.conf"
        self.configuration.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} 2000\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        super().__init__(folder)

    def list_arguments(self) -> list[str]:
        basics = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [str(self.configuration), "--sentinel", *basics]


class Cluster:
    """Three masters that share the slots, without replicas."""

    def __init__(self, folder: Path, node: Callable[[Path], ClusterNode] = ClusterNode) -> None:
        self.servers = [node(folder / f"node{number}") for number in range(3)]
        first = self.servers[0]
        share = -(-SLOTS // len(self.servers))
        for number, server in enumerate(self.servers):
            slots = range(number * share, min(SLOTS, (number + 1) * share))
            _run(server.client, "CLUSTER", "ADDSLOTS", *slots)
            _run(server.client, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if server is not first:
                _run(first.client, "CLUSTER", "MEET", "127.0.0.1", server.port)
        wait_until("the cluster is whole", self.is_whole)

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.addresses}"

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    def is_whole(self) -> bool:
        """Whether every node knows of every other and of all slots."""
        found = [_run(server.client, "CLUSTER", "INFO") for server in self.servers]
        size = str(len(self.servers))
        return all((info["cluster_state"], info["cluster_size"]) == ("ok", size) for info in found)

    def server_of(self, key: str) -> ClusterNode:
        """The master that holds a key."""
        return self.servers[key_slot(key.encode()) // -(-SLOTS // len(self.servers))]

    def move_slot(self, key: str) -> None:
        """Give the slot of a key to another master, with all that is in it."""
        slot, source = key_slot(key.encode()), self.server_of(key)
        target = next(server for server in self.servers if server is not source)
        names = {server: _run(server.client, "CLUSTER", "MYID") for server in (source, target)}
        _run(target.client, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        _run(source.client, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        for name in _run(source.client, "CLUSTER", "GETKEYSINSLOT", slot, 10_000):
            source.client.migrate("127.0.0.1", target.port, name, 0, 5000)
        for server in (target, source, *self.servers):
            _run(server.client, "CLUSTER", "SETSLOT", slot, "NODE", names[target])

    def count_keys(self, pattern: str) -> list[int]:
        """Keys of every master."""
        return [len(list(server.client.scan_iter(pattern))) for server in self.servers]

    def flush(self) -> None:
        for server in self.servers:
            server.client.flushall()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


class Watched:
    """A master with replicas, and three sentinels."""

    def __init__(self, folder: Path, replicas: int = 1) -> None:
        fast = ["--repl-diskless-sync-delay", "0", "--masteruser", "replica", "--masterauth", "secret"]
        names = ["master", *(f"replica{number}" for number in range(replicas))]
        for name in names:
            (folder / name).mkdir()
        master = RedisServer(folder / "master", *fast)
        master.add_user("replica", "+psync", "+replconf", "+ping")
        following = ["--replicaof", "127.0.0.1", str(master.port)]
        self.servers = [master, *(RedisServer(folder / name, *fast, *following) for name in names[1:])]
        wait_until("replicas are in step", lambda: len(master.client.role()[2]) == replicas)
        self.sentinels = [Sentinel(folder / f"sentinel{number}", master) for number in range(3)]
        wait_until("replicas and sentinels know each other", self._is_settled)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def master(self) -> RedisServer:
        """The master that most sentinels name."""
        ports = [_run(sentinel.client, "SENTINEL", "MASTERS")[SERVICE]["port"] for sentinel in self.sentinels]
        port = max(set(ports), key=ports.count)
        return next(server for server in self.servers if server.port == port)

    def wait_for_another_master(self, than: RedisServer) -> RedisServer:
        """Wait until sentinels have made another server master, and it takes writes."""
        wait_until("a failover", lambda: self.master is not than and self.master.client.role()[0] == "master")
        return self.master

    def hand_over(self) -> None:
        """Let sentinels make a replica master while the old master is well."""
        _run(self.sentinels[0].client, "SENTINEL", "FAILOVER", SERVICE)

    def cut_replication(self) -> None:
        """Keep from the replicas what the master is told from now on."""
        client = self.servers[0].client
        _run(client, "ACL", "SETUSER", "replica", "off")
        client.client_kill_filter(_type="replica")

    def stop(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.stop()

    def _is_settled(self) -> bool:
        online = self.servers[0].client.role()[2]
        states = [_run(sentinel.client, "SENTINEL", "MASTERS")[SERVICE] for sentinel in self.sentinels]
        return len(online) == len(self.servers) - 1 and all(
            (state["num-other-sentinels"], state["num-slaves"]) == (2, len(self.servers) - 1) for state in states
        )


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _run(client: redis.Redis, *words: object) -> Any:
    return client.execute_command(" ".join(map(str, words[:2])), *words[2:])  # type: ignore[no-untyped-call]
