"""The users of Redis: enough for the code that connects as them, and nothing that could harm."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from pipeline.errors import NightjarError
from pipeline.redis_url import open_client
from pipeline.redis_users import Role, list_rules, write_acl_file
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.memory import measure_generation
from tests.clock import Clock
from tests.stores.predictions.conftest import cluster, shared_cluster
from tests.stores.predictions.samples import (
    JOB,
    PARTITION,
    load_generation,
    make_header,
    make_predictions,
    publish,
    send_all,
    split,
)
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import Cluster

__all__ = ["cluster", "shared_cluster"]

ROOT = Path(__file__).resolve().parents[1]

FORBIDDEN_TO_ALL = [
    "FLUSHALL",
    "FLUSHDB",
    "SWAPDB 0 1",
    "RESTORE nightjar:a 0 x",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 0",
    "CONFIG REWRITE",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "DBSIZE",
    "DEBUG SLEEP 0",
    "MODULE LIST",
    "MODULE LOAD /tmp/x.so",
    "SCRIPT FLUSH",
    "SHUTDOWN NOSAVE",
    "REPLICAOF NO ONE",
    "FAILOVER",
    "CLUSTER RESET",
    "CLUSTER FAILOVER",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "ACL LIST",
    "ACL SETUSER reader +@all",
    "CLIENT KILL TYPE normal",
    "CLIENT PAUSE 1000",
    "MONITOR",
    "MIGRATE 127.0.0.1 1 nightjar:a 0 1",
    "RENAME nightjar:a nightjar:b",
    "COPY nightjar:a nightjar:b",
    "MOVE nightjar:a 1",
    "EXPIRE nightjar:a 1",
    "DUMP nightjar:a",
    "SORT nightjar:a",
    "EVAL return(1) 0",
    "MULTI",
    "SUBSCRIBE nightjar:a",
    "PUBLISH nightjar:a b",
]
WRITES = [
    "GET nightjar:a",
    "HSET nightjar:a b c",
    "HDEL nightjar:a b",
    "UNLINK nightjar:a",
    "MEMORY USAGE nightjar:a",
    "SCRIPT LOAD return(1)",
]
LOADS = ["SET nightjar:a b", "DEL nightjar:a", "ECHO a", "WAIT 0 1", "INFO", "OBJECT ENCODING nightjar:a"]
FORBIDDEN = {
    Role.PUBLISHER: FORBIDDEN_TO_ALL,
    Role.JANITOR: [*FORBIDDEN_TO_ALL, *LOADS],
    Role.READER: [*FORBIDDEN_TO_ALL, *LOADS, *WRITES, "EVALSHA 0 0"],
}
# Clients in other languages greet with these, and find the nodes of a cluster by them; for replicas see test_failover.
FOR_OTHERS = {
    "hello",
    "ping",
    "select",
    "client|setname",
    "command",
    "cluster|slots",
    "cluster|shards",
    "cluster|nodes",
} | {"wait"}


@dataclass(frozen=True)
class Users:
    """A server with the three users."""

    server: RedisServer
    urls: dict[Role, str]

    def connect(self, role: Role) -> redis.Redis:
        return open_client(self.urls[role], decode_responses=True)


@pytest.fixture(scope="module", params=[os.environ["PATH"], ""], ids=["installed", "packaged"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    """The Redis that is installed, and the 6.2 of the package."""
    server = RedisServer(tmp_path_factory.mktemp("users"), search_path=request.param)
    yield Users(server, {role: server.add_user(role, *list_rules(role)) for role in Role})
    server.stop()


@pytest.fixture
def users(running: Users) -> Users:
    running.server.client.flushall()
    return running


def publish_roll_back_and_read(urls: dict[Role, str], clock: Clock) -> None:
    """Everything that is done in production, by whom it is done."""
    publisher = PredictionStore(urls[Role.PUBLISHER], clock)
    janitor = PredictionStore(urls[Role.JANITOR], clock)
    reader = Reader(urls[Role.READER], JOB, live_seconds=0)
    predictions = make_predictions(5000)
    for _ in range(2):
        publish(publisher, predictions)
    publisher.preflight(JOB, 5000)
    with publisher.begin(JOB, PARTITION, 5000, 1) as load:
        load.send_priors({"": 0.5})
        send_all(load, split(predictions, 1))
        load.seal(make_header(load, inputs="ab"))
    publisher.flip(JOB, load.generation, load.token)
    publisher.begin(JOB, PARTITION, 5000, 1).abandon()
    assert reader.get("stranger").source == "prior"
    to = publisher.rollback(JOB, None, who="Jane Doe", why="wrong fares").generation
    publisher.restoration(JOB).reject(publisher.rejections(JOB))
    assert publisher.restoration(JOB).begin(make_header(load), 0) is None
    assert publisher.take_token(JOB) == 6
    assert publisher.check()["problems"] == []
    answers = reader.get_many([*predictions, "stranger"])
    assert {name: answers[name].value for name in predictions} == predictions
    assert reader.status().header.generation == to
    assert reader.get("parcel 1", partition=PARTITION).found
    kept = load_generation(publisher, make_predictions(10))
    assert len(list(publisher.read_generation(JOB, publisher.header(JOB, to) or make_header(load)))) > 0
    janitor.pin(JOB, kept.generation, "Jane Doe", "for comparison")
    clock.advance(hours=2)
    assert measure_generation(janitor._client, JOB, publisher.generations(JOB)[-1]).bytes > 5000
    removed = janitor.prune(JOB, keep=1)
    assert removed
    assert kept.generation not in removed
    assert janitor.unpin(JOB, kept.generation)
    assert reader.releases()
    assert Reader(urls[Role.PUBLISHER], JOB).get("stranger").source == "missing"
    publisher.close()
    janitor.close()
    reader.close()


def test_everything_is_done_with_the_users_that_are_to_do_it(users: Users, clock: Clock) -> None:
    publish_roll_back_and_read(users.urls, clock)


def test_the_same_is_enough_on_a_cluster(cluster: Cluster, clock: Clock) -> None:
    urls = {}
    for role in Role:
        for server in cluster.servers:
            server.add_user(role, *list_rules(role))
        urls[role] = f"redis+cluster://{role}:secret@{cluster.addresses}"
    publish_roll_back_and_read(urls, clock)


@pytest.mark.parametrize("role", Role)
def test_no_user_has_rights_that_nothing_uses(users: Users, clock: Clock, role: Role) -> None:
    """Without any of them, something of what is to be done is denied."""
    rules, unused = list_rules(role), []
    for right in [rule for rule in rules if rule.startswith("+") and rule[1:] not in FOR_OTHERS]:
        fewer = [rule for rule in rules if rule != right]
        urls = users.urls | {role: users.server.add_user("fewer", "reset", "on", ">secret", *fewer)}
        users.server.client.flushall()
        users.server.client.script_flush()
        with contextlib.suppress(NightjarError, redis.RedisError):
            publish_roll_back_and_read(urls, clock)
            unused.append(right)
    assert unused == []


@pytest.mark.parametrize(("role", "command"), [(role, command) for role in Role for command in FORBIDDEN[role]])
def test_what_could_harm_is_denied(users: Users, role: Role, command: str) -> None:
    if command == "FAILOVER" and _version(users) < (7,):
        command = "REPLICAOF 127.0.0.1 1"
    before = users.server.client.info("keyspace"), users.server.client.acl_list()
    # Redis 7 does not even ask who it is before it denies some of them.
    with users.connect(role) as client, pytest.raises(redis.ResponseError, match=r"no permissions|command not allowed"):
        client.execute_command(*command.split())
    assert (users.server.client.info("keyspace"), users.server.client.acl_list()) == before


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("command", ["HGET other:a b", "HMGET other:a b", "HGETALL other:a", "EXISTS other:a"])
def test_other_keys_are_out_of_reach(users: Users, role: Role, command: str) -> None:
    with users.connect(role) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command.split())


@pytest.mark.parametrize("role", [Role.PUBLISHER, Role.JANITOR])
@pytest.mark.parametrize("call", ["'FLUSHALL'", "'CONFIG','SET','maxmemory','1'", "'KEYS','*'", "'HGET','other:a','b'"])
def test_a_script_may_do_no_more_than_its_user(users: Users, role: Role, call: str) -> None:
    with users.connect(role) as client, pytest.raises(redis.RedisError, match=r"can't|No permissions|not allowed"):
        client.evalsha(client.script_load(f"return redis.call({call})"), 0)


def test_rules_on_the_page_of_the_contract_are_these() -> None:
    page = (ROOT / "docs" / "redis-contract.md").read_text(encoding="utf-8")
    for role in Role:
        found = re.search(rf"ACL SETUSER {role} on >… ((?:.|\n)+?)\n\n", page)
        assert found, role
        assert found[1].split() == list_rules(role)


def test_the_acl_file_of_the_deployment_is_made_from_these() -> None:
    assert (ROOT / "deploy" / "redis" / "serving.acl").read_text() == write_acl_file(), (
        "python -m pipeline.redis_users > deploy/redis/serving.acl"
    )


def _version(users: Users) -> tuple[int, ...]:
    return tuple(int(part) for part in str(users.server.client.info("server")["redis_version"]).split("."))
