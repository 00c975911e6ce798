"""URLs of Redis: what they mean, and that they keep their passwords to themselves."""

from __future__ import annotations

import pytest
import redis

from pipeline.errors import DeclarationError
from pipeline.redis_url import close_client, describe_client, open_async_client, open_client, read_url


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "place"),
    [
        ("redis://u:hush@h:6380/2", "server", (), "h:6380, database 2"),
        ("rediss://:hush@h", "server", (), "h:6379, database 0"),
        ("unix://u:hush@/run/redis.sock?db=1", "server", (), "unix socket /run/redis.sock"),
        ("redis+cluster://u:hush@a:1,b", "cluster", (("a", 1), ("b", 6379)), "cluster of a:1, b:6379"),
        ("rediss+cluster://[::1]:7/0", "cluster", (("::1", 7),), "cluster of ::1:7"),
        (
            "redis+sentinel://u:hush@a:1,b/night/3",
            "sentinel",
            (("a", 1), ("b", 26379)),
            "master night of sentinels a:1, b:26379, database 3",
        ),
        ("rediss+sentinel://a/night", "sentinel", (("a", 26379),), "master night of sentinels a:26379, database 0"),
    ],
)
def test_every_form_is_read(url: str, kind: str, nodes: tuple[tuple[str, int], ...], place: str) -> None:
    address = read_url(url)
    assert (address.kind, address.nodes, address.tls) == (kind, nodes, url.startswith("rediss"))
    assert address.describe() == place
    assert "hush" not in repr(address)


def test_users_and_passwords_are_decoded_and_options_are_those_of_redis_py() -> None:
    options = read_url("rediss+cluster://me%40home:a%2Fb%3Ac@h:1?ssl_ca_certs=/ca.pem&socket_timeout=7").options
    assert (options["username"], options["password"]) == ("me@home", "a/b:c")
    assert (options["ssl_ca_certs"], options["socket_timeout"], options["ssl"]) == ("/ca.pem", 7, True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:6379",
        "http://u:hush@h",
        "unix+cluster://u:hush@h",
        "redis+sentinel://u:hush@h",
        "redis+cluster://u:hush@h/1",
        "redis+cluster://u:hush@h:one",
        "redis+sentinel://u:hush@h/night/one",
        "redis://u:hush@h:one/0",
        "redis://u:hush@h/0?socket_timeout=soon",
    ],
)
def test_what_is_no_url_of_redis_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        read_url(url)
    assert "hush" not in str(refused.value)
    assert refused.value.next_step


@pytest.mark.parametrize("url", ["redis://u:hush@h:1/0", "redis+sentinel://u:hush@h:1/night/0"])
def test_clients_connect_to_nothing_before_they_are_used(url: str) -> None:
    client = open_client(url)
    for one in (client, open_async_client(url)):
        assert describe_client(one) == read_url(url).describe()
    close_client(client)


def test_sentinels_get_tls_and_credentials_of_their_own() -> None:
    client = open_client(
        "rediss+sentinel://u:hush@h:1/night/2?ssl_ca_certs=/ca.pem&sentinel_username=s&sentinel_password=hist"
    )
    pool = client.connection_pool
    server, (sentinel,) = pool.connection_kwargs, pool.sentinel_manager.sentinels  # type: ignore[attr-defined]
    asked = sentinel.connection_pool.connection_kwargs
    assert (server["username"], server["password"], server["db"]) == ("u", "hush", 2)
    assert (asked["username"], asked["password"], asked["db"]) == ("s", "hist", 0)
    assert server["ssl_ca_certs"] == asked["ssl_ca_certs"] == "/ca.pem"
    assert "SSL" in pool.connection_class.__name__
    assert "SSL" in sentinel.connection_pool.connection_class.__name__


def test_what_replies_look_like_is_not_for_the_url_to_say() -> None:
    settings = open_client(
        "redis://h?protocol=3&encoding=latin-1&socket_timeout=7", protocol=2, encoding="utf-8", socket_timeout=30
    ).connection_pool.connection_kwargs
    assert (settings["protocol"], settings["encoding"], settings["socket_timeout"]) == (2, "utf-8", 7)


def test_a_cluster_that_does_not_answer_is_one_of_redis_errors() -> None:
    with pytest.raises(redis.exceptions.RedisClusterException):
        open_client("redis+cluster://127.0.0.1:1")
