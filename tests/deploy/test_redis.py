"""The two Redis servers as configured, run for real: who may do what."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.keyspace import State
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.deploy.compose import ROOT
from tests.deploy.servers import RedisServer, service_environment
from tests.stores.predictions.samples import JOB, PARTITION, make_predictions, publish

NOW = datetime(2013, 4, 2, 9, 30, tzinfo=UTC)

DANGEROUS = [
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 0",
    "KEYS *",
    "SCAN 0",
    "RANDOMKEY",
    "ACL LIST",
    "ACL SETUSER publisher nopass",
    "CLIENT LIST",
    "CLIENT KILL ID 1",
    "SHUTDOWN NOSAVE",
    "REPLICAOF 127.0.0.1 1",
    "SAVE",
    "BGREWRITEAOF",
    "MODULE LIST",
    "MONITOR",
    "MIGRATE 127.0.0.1 1 nightjar:a 0 1",
    "SWAPDB 0 1",
    "RENAME nightjar:a nightjar:b",
    "SORT nightjar:a",
    "FUNCTION FLUSH",
    "SCRIPT FLUSH",
    "EVAL return(redis.call('flushall')) 0",
]


def connect(server: RedisServer, user: str | None, password: str | None) -> redis.Redis:
    """A client that does not try a refused login again."""
    return redis.Redis(port=server.port, username=user, password=password, retry=Retry(NoBackoff(), 0))


def run(client: redis.Redis, command: str) -> object:
    """Send a command as typed."""
    answer: object = client.execute_command(*command.split())  # type: ignore[no-untyped-call]
    return answer


@pytest.fixture
def publisher(serving: RedisServer, generated: dict[str, str]) -> redis.Redis:
    """A client as workers connect."""
    return connect(serving, "publisher", generated["SERVING_PUBLISHER_PASSWORD"])


@pytest.fixture
def reader(serving: RedisServer, generated: dict[str, str]) -> redis.Redis:
    """A client as applications connect."""
    return connect(serving, "reader", generated["SERVING_READER_PASSWORD"])


def test_store_publishes_as_publisher_and_reader_reads_as_reader(
    serving: RedisServer, generated: dict[str, str]
) -> None:
    """What the users may do is enough for the code that connects as them, from the first load to the last prune."""
    store = PredictionStore(serving.url("publisher", generated["SERVING_PUBLISHER_PASSWORD"]), lambda: NOW)
    reader = Reader(serving.url("reader", generated["SERVING_READER_PASSWORD"]), JOB, live_seconds=0)
    for offset in (0.0, 0.1, 0.2):
        predictions = make_predictions(offset=offset)
        flip = publish(store, predictions)
        answers = reader.get_many(predictions)
        assert {name: answer.value for name, answer in answers.items()} == predictions
        assert reader.status().header.generation == flip.generation
    assert [release.state for release in reader.releases()].count(State.LIVE) == 1
    with store.begin(JOB, PARTITION, 1, 1) as abandoned:
        abandoned.abandon()
    later = PredictionStore(
        serving.url("janitor", generated["SERVING_JANITOR_PASSWORD"]), lambda: NOW + timedelta(hours=2)
    )
    assert later.prune(JOB, keep=1)


def test_store_finds_this_redis_fit(serving: RedisServer, generated: dict[str, str]) -> None:
    store = PredictionStore(serving.url("publisher", generated["SERVING_PUBLISHER_PASSWORD"]), lambda: NOW)
    assert store.check()["problems"] == []


@pytest.mark.parametrize(
    "command",
    ["HSET nightjar:a b c", "DEL nightjar:a", "UNLINK nightjar:a", "EVAL return(1) 0", "INFO", "EXPIRE nightjar:a 1"],
)
def test_reader_changes_nothing(reader: redis.Redis, command: str) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        run(reader, command)


@pytest.mark.parametrize("command", DANGEROUS)
@pytest.mark.parametrize("user", ["publisher", "reader"])
def test_nobody_may_list_empty_or_reconfigure(
    user: str, command: str, request: pytest.FixtureRequest, serving: RedisServer
) -> None:
    client: redis.Redis = request.getfixturevalue(user)
    with pytest.raises(redis.exceptions.ResponseError, match=r"no permissions|can't run this command"):
        run(client, command)
    assert serving.process.popen.poll() is None


@pytest.mark.parametrize("user", ["publisher", "reader"])
def test_other_keys_are_out_of_reach(user: str, request: pytest.FixtureRequest) -> None:
    client: redis.Redis = request.getfixturevalue(user)
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.hget("other:job", "id")


def test_nobody_gets_in_without_a_name(serving: RedisServer) -> None:
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect(serving, None, None).get("nightjar:{job}:live")
    with pytest.raises(redis.exceptions.AuthenticationError):
        connect(serving, "reader", "wrong").ping()


def test_health_check_may_ping_and_nothing_else(serving: RedisServer) -> None:
    health = connect(serving, "health", "health")
    assert health.ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        health.hget("nightjar:{job}:live", "generation")


def test_what_was_written_survives_a_crash(publisher: redis.Redis, serving: RedisServer) -> None:
    """The append-only file is on: it holds what was written before anything else could have saved it."""
    publisher.hset("nightjar:job:4-dddd:0", "survivor", "1")
    files = serving.folder / "appendonlydir"
    assert any(b"survivor" in path.read_bytes() for path in files.iterdir())


def test_passwords_stay_out_of_files_and_process(serving: RedisServer, generated: dict[str, str]) -> None:
    written = (serving.folder / "serving.acl").read_text()
    assert re.search(r"^user default off resetpass ", written, re.MULTILINE)
    for secret in ("SERVING_PUBLISHER_PASSWORD", "SERVING_READER_PASSWORD", "SERVING_JANITOR_PASSWORD"):
        assert generated[secret] not in written
        assert generated[secret] not in Path(f"/proc/{serving.process.popen.pid}/environ").read_text()


@pytest.mark.parametrize("password", ["", "short"])
def test_refuses_to_start_without_a_generated_password(
    password: str, generated: dict[str, str], tmp_path: Path
) -> None:
    environment = service_environment("serving", generated)
    environment |= {"REDIS_RUN_DIR": str(tmp_path), "SERVING_READER_PASSWORD": password}
    started = subprocess.run(
        [str(ROOT / "deploy/redis/start.sh"), "serving"], env=environment, capture_output=True, text=True, check=False
    )
    assert started.returncode == 78
    assert "SERVING_READER_PASSWORD must be set" in started.stderr


def test_broker_serves_celery_and_keeps_it_from_emptying_the_server(
    broker: RedisServer, generated: dict[str, str]
) -> None:
    celery = connect(broker, "celery", generated["BROKER_PASSWORD"])
    celery.lpush("default", "message")
    assert celery.brpop(["default"], timeout=1) == (b"default", b"message")
    for command in ("FLUSHALL", "CONFIG GET save", "KEYS *", "SHUTDOWN", "ACL LIST"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            run(celery, command)
