"""Commands about which generations Redis keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.cli.conftest import JOB, Nightjar
from tests.tasks.nights import LIVE


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def runs(nightjar: Nightjar, client: redis.Redis) -> list[str]:
    """Three generations, oldest first, of which the oldest could have gone long ago."""
    names = []
    for _ in range(3):
        answer = nightjar("run", JOB, "--partition", LIVE, "--json")
        names.append(next(stage["generation"] for stage in answer.json["stages"] if stage["stage"] == "publish"))
    client.hset(f"nightjar:{{{JOB}}}:ended", names[0], "0")
    return names


def test_what_would_be_removed_is_shown_with_its_bytes_and_stays(nightjar: Nightjar, runs: list[str]) -> None:
    answer = nightjar("prune", JOB, "--dry-run", "--json")
    assert answer.code == 0
    [removed] = answer.json["removed"]
    assert (removed["generation"], removed["state"], removed["partition"]) == (runs[0], "retired", LIVE)
    assert answer.json["bytes"] == removed["bytes"] > 1000
    assert runs[0] in nightjar("prune", JOB, "--dry-run").out
    assert runs[0] in nightjar("releases", JOB).out


def test_what_is_pruned_is_gone(nightjar: Nightjar, client: redis.Redis, runs: list[str]) -> None:
    answer = nightjar("prune", JOB)
    assert answer.code == 0
    assert "in all:" in answer.out
    assert not client.keys(f"nightjar:{JOB}:{runs[0]}:*")
    assert nightjar("prune", JOB, "--json").json["removed"] == []


def test_what_is_pinned_stays_until_it_is_unpinned(nightjar: Nightjar, runs: list[str]) -> None:
    pinned = nightjar("pin", JOB, runs[0], "--who", "Jane Doe", "--why", "the audit", "--json")
    assert pinned.json["pinned"]
    assert nightjar("prune", JOB, "--json").json["removed"] == []
    assert nightjar("unpin", JOB, runs[0]).code == 0
    assert len(nightjar("prune", JOB, "--json").json["removed"]) == 1


def test_what_cannot_be_pinned_or_unpinned_is_an_error(nightjar: Nightjar, runs: list[str]) -> None:
    unknown = nightjar("pin", JOB, "99-abcd", "--who", "Jane Doe", "--why", "the audit")
    assert unknown.code == 1
    assert "was not pinned" in unknown.error
    assert nightjar("unpin", JOB, runs[2]).code == 1
