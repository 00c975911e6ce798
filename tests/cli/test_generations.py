"""Commands about which generations Redis keeps."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from tests.cli.conftest import JOB, Nightjar, UseKept
from tests.meter_readings.job import JOB as DECLARED
from tests.tasks.conftest import Prepare
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, run_night


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture(scope="module")
def kept_runs(scored_home: Path, prepare: Prepare) -> Kept:
    """Three generations of a night."""
    return prepare(
        Kept(scored_home, datetime.now(UTC)),
        lambda workspace: [
            run_night(workspace, DECLARED, LIVE, f"run-{number}")["publish"]["generation"] for number in range(3)
        ],
    )


@pytest.fixture
def runs(kept_runs: Kept, use_kept: UseKept, client: redis.Redis) -> list[str]:
    """Their names, oldest first, of which the oldest could have gone long ago."""
    names = list(use_kept(kept_runs))
    client.hset(f"nightjar:{{{JOB}}}:ended", names[0], "0")
    return names


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_what_would_be_removed_is_shown_with_its_bytes_and_stays(
    nightjar: Nightjar, runs: list[str], option: tuple[str, ...]
) -> None:
    answer = nightjar("prune", JOB, *option, "--json")
    assert (answer.code, answer.json["applied"]) == (0, False)
    [removal] = answer.json["removals"]
    assert (removal["generation"], removal["state"], removal["partition"]) == (runs[0], "retired", LIVE)
    assert answer.json["bytes"] == removal["bytes"] > 1000
    shown = nightjar("prune", JOB, *option).out
    assert runs[0] in shown
    assert "add --apply" in shown
    assert runs[0] in nightjar("releases", JOB).out


def test_what_is_pruned_is_gone(nightjar: Nightjar, client: redis.Redis, runs: list[str]) -> None:
    answer = nightjar("prune", JOB, "--apply")
    assert answer.code == 0
    assert "in all:" in answer.out
    assert not client.keys(f"nightjar:{JOB}:{runs[0]}:*")
    assert nightjar("prune", JOB, "--apply", "--json").json["removals"] == []


def test_what_is_pinned_stays_until_it_is_unpinned(nightjar: Nightjar, runs: list[str]) -> None:
    pinned = nightjar("pin", JOB, runs[0], "--who", "Jane Doe", "--why", "the audit", "--json")
    assert pinned.json["pinned"]
    assert nightjar("prune", JOB, "--apply", "--json").json["removals"] == []
    assert nightjar("unpin", JOB, runs[0]).code == 0
    answer = nightjar("prune", JOB, "--apply", "--json").json
    assert (answer["applied"], [removal["generation"] for removal in answer["removals"]]) == (True, [runs[0]])


def test_releases_say_what_is_pinned(nightjar: Nightjar, runs: list[str]) -> None:
    nightjar("pin", JOB, runs[1], "--who", "Jane Doe", "--why", "the audit")
    pins = {release["generation"]: release["pin"] for release in nightjar("releases", JOB, "--json").json}
    assert (pins[runs[1]]["who"], pins[runs[1]]["why"]) == ("Jane Doe", "the audit")
    assert (pins[runs[0]], pins[runs[2]]) == (None, None)
    assert "Jane Doe: the audit" in nightjar("releases", JOB).out


@pytest.mark.parametrize(("named", "recorded"), [(("--who", "Jane Doe"), "Jane Doe"), ((), getpass.getuser())])
def test_who_pinned_and_unpinned_is_written_down(
    nightjar: Nightjar, runs: list[str], named: tuple[str, ...], recorded: str
) -> None:
    assert nightjar("pin", JOB, runs[1], *named, "--why", "the audit").code == 0
    assert nightjar("unpin", JOB, runs[1], *named, "--json").json["who"] == recorded
    history = nightjar("explain", JOB, runs[1], "--json").json["history"]
    assert [(event["kind"], event["who"]) for event in history[1:]] == [("pinned", recorded), ("unpinned", recorded)]


def test_what_cannot_be_pinned_or_unpinned_is_an_error(nightjar: Nightjar, runs: list[str]) -> None:
    unknown = nightjar("pin", JOB, "99-abcd", "--who", "Jane Doe", "--why", "the audit")
    assert unknown.code == 1
    assert "was not pinned" in unknown.error
    assert nightjar("unpin", JOB, runs[2]).code == 1
