"""What the doctor says of a Redis."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.server import RedisServer

StartServer = Callable[..., RedisServer]


def test_a_redis_with_its_defaults_is_fit(store: PredictionStore) -> None:
    report = store.check()
    assert report["problems"] == []
    assert report["writeable"] is True
    assert report["maxmemory_policy"] == "noeviction"
    assert report["listpack_limits"] == {"entries": 512, "value": 64}
    assert report["used_memory"] > 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--maxmemory-policy", "allkeys-lru"], "maxmemory-policy is allkeys-lru"),
        (["--hash-max-ziplist-entries", "64"], "hash-max-listpack-entries is 64"),
        (["--hash-max-ziplist-value", "32"], "hash-max-listpack-value is 32"),
        (["--maxmemory", "1000000"], "memory is nearly full"),
        (["--replicaof", "127.0.0.1", "1"], "takes no writes (READONLY)"),
    ],
)
def test_what_must_be_mended_is_named(
    start_server: StartServer, clock: Clock, options: list[str], problem: str
) -> None:
    problems = PredictionStore(start_server(*options).url, clock).check()["problems"]
    assert any(problem in text for text in problems), problems


def test_a_redis_that_is_down_is_a_problem_and_no_crash(start_server: StartServer, clock: Clock) -> None:
    server = start_server()
    server.stop()
    problems = PredictionStore(server.url, clock).check()["problems"]
    assert len(problems) == 1
    assert "does not answer" in problems[0]


def test_a_user_who_may_not_see_the_configuration_gets_the_rest(start_server: StartServer, clock: Clock) -> None:
    url = start_server().add_user("publisher", "~nightjar:*", "+@all", "-config")
    report = PredictionStore(url, clock).check()
    assert report["listpack_limits"] is None
    assert report["problems"] == []
