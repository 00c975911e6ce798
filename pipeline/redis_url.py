"""Redis clients from URLs: one server, a cluster, or the master that sentinels name; sync and async.

========================================================  ======================================================
``redis://user:password@host:port/db``                    one server; ``rediss://`` with TLS
``unix://user:password@/path/of/socket?db=0``             one server, over a unix socket
``redis+cluster://user:password@host:port,host:port``     the cluster to which these nodes belong
``redis+sentinel://user:password@host:port,…/service/db`` the master of ``service``, as these sentinels know it
========================================================  ======================================================

``rediss+cluster`` and ``rediss+sentinel`` use TLS to every node, sentinels included.  Options behind a question mark
are redis-py's, such as ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile`` or ``socket_timeout``; ``sentinel_username``
and ``sentinel_password`` are for sentinels that ask for them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import SplitResult, unquote, urlsplit

import redis
import redis.asyncio as async_redis
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnixConnection
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.sentinel import Sentinel

from pipeline.errors import DeclarationError

REDIS_ERRORS: tuple[type[Exception], ...] = (redis.RedisError, redis.exceptions.RedisClusterException)
"""What redis-py raises: its errors of a cluster are no RedisError."""

_SCHEME = re.compile(r"(?P<transport>rediss?|unix)(?:\+(?P<kind>cluster|sentinel))?", re.ASCII)
_DEFAULT_PORTS = {"cluster": 6379, "sentinel": 26379}
# What an answer looks like is the caller's business, not the URL's.
_NOT_BY_URL = ("protocol", "decode_responses", "encoding", "encoding_errors")
_SENTINEL_OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}


@dataclass(frozen=True)
class RedisUrl:
    """A URL, taken apart.

    Attributes:
        nodes: addresses of cluster nodes or sentinels; empty for one server.
        service: what sentinels call the master.
        tls: whether connections are encrypted.
        options: of redis-py's connections.
    """

    kind: Literal["server", "cluster", "sentinel"]
    nodes: tuple[tuple[str, int], ...]
    service: str
    tls: bool
    options: Mapping[str, Any] = field(repr=False)

    def describe(self) -> str:
        """Where it leads, for messages: never with a user or a password."""
        nodes = ", ".join(f"{host}:{port}" for host, port in self.nodes)
        if self.kind == "cluster":
            return f"cluster of {nodes}"
        if self.kind == "sentinel":
            return f"master {self.service} of sentinels {nodes}, database {self.options.get('db', 0)}"
        return describe_address(self.options)


def read_url(url: str) -> RedisUrl:
    """Take a URL apart.

    Raises:
        DeclarationError: it is none of those above; the message does not repeat it, since it may hold a password.
    """
    scheme = url.partition("://")[0]
    match = _SCHEME.fullmatch(scheme)
    if match is None or (match["transport"] == "unix" and match["kind"]):
        raise _bad_url("another scheme")
    try:
        if match["kind"] is None:
            return RedisUrl("server", (), "", match["transport"] == "rediss", _parse_url(url))
        return _read_many(urlsplit(url), match["transport"], match["kind"])
    except ValueError:
        # Its message may quote a part of the password.
        raise _bad_url("an option, port or database that cannot be read") from None


def open_client(url: str, **options: Any) -> redis.Redis:
    """A client for ``url``; nothing is connected to before it is used, except that a cluster is asked for its slots.

    A cluster's client is a :class:`redis.cluster.RedisCluster`, which takes the same commands.

    Args:
        options: of redis-py's connections.  The URL's own win, but for those that say what replies look like.

    Raises:
        DeclarationError: the URL cannot be read.
        redis.exceptions.RedisClusterException: no node of the cluster answers.
    """
    address = read_url(url)
    settings = _merge(options, address)
    if address.kind == "cluster":
        retry = settings.pop("retry", None)
        nodes = [ClusterNode(host, port) for host, port in address.nodes]  # type: ignore[no-untyped-call]
        return cast("redis.Redis", RedisCluster(startup_nodes=nodes, retry=retry, **settings))
    if address.kind == "sentinel":
        own, others = _split_sentinel_options(settings)
        sentinel = Sentinel(list(address.nodes), sentinel_kwargs=own, **others)  # type: ignore[no-untyped-call]
        return cast("redis.Redis", sentinel.master_for(address.service))  # type: ignore[no-untyped-call]
    return redis.Redis.from_pool(redis.ConnectionPool(**settings))


def open_async_client(url: str, **options: Any) -> async_redis.Redis:
    """Like :func:`open_client`, for asyncio; nothing at all is connected to before it is used."""
    address = read_url(url)
    settings = _merge(options, address)
    if address.kind == "cluster":
        nodes = [async_redis.cluster.ClusterNode(host, port) for host, port in address.nodes]
        return cast("async_redis.Redis", async_redis.RedisCluster(startup_nodes=nodes, **settings))
    if address.kind == "sentinel":
        own, others = _split_sentinel_options(settings)
        sentinel = AsyncSentinel(list(address.nodes), sentinel_kwargs=own, **others)  # type: ignore[no-untyped-call]
        return cast("async_redis.Redis", sentinel.master_for(address.service))
    kind = AsyncSSLConnection if address.tls else AsyncUnixConnection if "path" in settings else AsyncConnection
    return async_redis.Redis.from_pool(async_redis.ConnectionPool(**settings | {"connection_class": kind}))


def close_client(client: redis.Redis) -> None:
    """Close every connection of a client, those to sentinels included."""
    client.close()
    manager = _sentinels_of(client)
    if manager is not None:
        manager.close()


async def close_async_client(client: async_redis.Redis) -> None:
    """Like :func:`close_client`, for asyncio."""
    await client.aclose()
    manager = _sentinels_of(client)
    if manager is not None:
        await manager.aclose()


def list_masters(client: redis.Redis) -> list[redis.Redis]:
    """A client for each master of a cluster, as it is known to ``client``; else ``client`` itself."""
    if isinstance(client, RedisCluster):
        return [client.get_redis_connection(node) for node in client.get_primaries()]
    return [client]


def name_keys_on_masters(client: redis.Redis, name: str) -> list[tuple[redis.Redis, str]]:
    """Every master, as :func:`list_masters` does, with a key beginning with ``name`` that lies on it."""
    if not isinstance(client, RedisCluster):
        return [(client, name)]
    keys: dict[str, str] = {}
    primaries = client.get_primaries()
    for number in itertools.count():
        if len(keys) == len(primaries):
            break
        key = f"{name}:{number}"
        keys.setdefault(client.get_node_from_key(key).name, key)
    return [(client.get_redis_connection(node), keys[node.name]) for node in primaries]


def describe_client(client: Any) -> str:
    """Where a client leads, for messages: never with a user or a password."""
    if isinstance(client, (RedisCluster, async_redis.RedisCluster)):
        nodes = sorted(node.name for node in client.nodes_manager.startup_nodes.values())
        return f"cluster of {', '.join(nodes)}"
    pool = getattr(client, "connection_pool", None)
    manager = _sentinels_of(client)
    if pool is not None and manager is not None:
        addresses = [sentinel.connection_pool.connection_kwargs for sentinel in manager.sentinels]
        names = ", ".join(sorted(f"{address['host']}:{address['port']}" for address in addresses))
        return f"master {pool.service_name} of sentinels {names}, database {pool.connection_kwargs.get('db', 0)}"
    return describe_address(pool.connection_kwargs) if pool is not None else "several nodes"


def describe_address(connection: Mapping[str, Any]) -> str:
    """Where the connections of one server lead, for messages: never with a user or a password."""
    if "path" in connection:
        return f"unix socket {connection['path']}"
    return f"{connection.get('host', 'localhost')}:{connection.get('port', 6379)}, database {connection.get('db', 0)}"


def _sentinels_of(client: Any) -> Any:
    return getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)


def _parse_url(url: str) -> dict[str, Any]:
    return dict(parse_url(url))  # type: ignore[no-untyped-call]


def _read_many(parts: SplitResult, transport: str, kind: str) -> RedisUrl:
    """A URL with several hosts; redis-py reads everything of it but these."""
    credentials, at, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_read_host(host, _DEFAULT_PORTS[kind]) for host in hosts.split(","))
    service, _, database = parts.path.strip("/").partition("/")
    if kind == "cluster":
        service, database = "", parts.path.strip("/")
    query = f"?{parts.query}" if parts.query else ""
    options = _parse_url(f"{transport}://{credentials}{at}host/{int(database or 0)}{query}")
    for name in ("host", "connection_class"):
        options.pop(name, None)
    if kind == "sentinel" and not service:
        raise _bad_url("no service behind the sentinels")
    if kind == "cluster" and options.pop("db", 0):
        raise _bad_url("a database other than 0, which a cluster does not have")
    if transport == "rediss":
        options["ssl"] = True
    kinds: dict[str, Literal["cluster", "sentinel"]] = {"cluster": "cluster", "sentinel": "sentinel"}
    return RedisUrl(kinds[kind], nodes, unquote(service), transport == "rediss", options)


def _read_host(text: str, default_port: int) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]+))?", text)
    if found is None:
        raise _bad_url("a host that cannot be read")
    return found["six"] or unquote(found["host"]), int(found["port"] or default_port)


def _merge(options: Mapping[str, Any], address: RedisUrl) -> dict[str, Any]:
    own = {name: value for name, value in address.options.items() if name not in _NOT_BY_URL}
    return {**options, **own}


def _split_sentinel_options(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """For connections to sentinels, and to the master: they share timeouts and TLS, but no user and no password."""
    shared = {name: value for name, value in settings.items() if name.startswith(("socket_", "ssl")) or name == "retry"}
    own = {name: settings[option] for option, name in _SENTINEL_OPTIONS.items() if option in settings}
    return shared | own, {name: value for name, value in settings.items() if name not in _SENTINEL_OPTIONS}


def _bad_url(found: str) -> DeclarationError:
    return DeclarationError(
        "the URL of Redis cannot be read",
        expected="redis://, rediss:// or unix://; redis+cluster://host:port,host:port; "
        "redis+sentinel://host:port,host:port/service/db",
        found=found,
        next_step="correct the URL; docs/operations.md lists the forms",
    )
