"""What a night and its readers say of a Redis that is full, read-only, down or empty."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.errors import NightjarError, UnavailableError
from pipeline.job import Job
from pipeline.keyspace import token_of
from pipeline.serving import StoreUnavailable, Unhealthy
from pipeline.tasks import Workspace, open_workspace
from tests.clock import Clock
from tests.conftest import StartRedis, make_settings
from tests.stores.predictions.server import RedisServer
from tests.tasks.conftest import Served, serve
from tests.tasks.nights import LIVE, NEXT, open_reader, read_live, run_night, run_until_scored


@pytest.fixture
def own_redis(start_redis: StartRedis) -> RedisServer:
    """A Redis that the test may break."""
    return start_redis()


@pytest.fixture
def served(own_redis: RedisServer, scored_home: Path, tmp_path: Path, clock: Clock, job: Job) -> Iterator[Served]:
    """The night of 2024-03-03 is live in a Redis of the test's own."""
    shutil.copytree(scored_home, tmp_path / "home")
    workspace = open_workspace(make_settings(tmp_path / "home", own_redis.url), clock)
    yield serve(workspace, job)
    workspace.predictions.close()


def publish_next(served: Served) -> NightjarError:
    """Publish the next night, which Redis must refuse; the record of the run says why."""
    workspace, job = served.workspace, served.job
    scored = run_until_scored(workspace, job, NEXT, "bad")["score"]
    with pytest.raises(UnavailableError) as caught:
        tasks.publish(workspace, job, NEXT, "bad", scored)
    record = tasks.read_run(workspace, job, NEXT, "bad")["stages"][-1]
    assert (record["stage"], record["state"]) == ("publish", "failed")
    assert record["error"] == caught.value.to_json()
    assert caught.value.expected
    assert caught.value.next_step
    return caught.value


def check_publishing_works_again(served: Served) -> None:
    night = run_night(served.workspace, served.job, NEXT, "again")
    assert night["publish"]["result"] == "live"


def test_redis_out_of_memory(served: Served, own_redis: RedisServer) -> None:
    client = own_redis.client
    client.config_set("maxmemory", 100_000)
    error = publish_next(served)
    assert "out of memory" in error.problem
    assert "of maxmemory 100,000 bytes" in str(error.found)
    served.check_refused(error)
    client.config_set("maxmemory", 0)
    check_publishing_works_again(served)


def test_redis_read_only(served: Served, own_redis: RedisServer) -> None:
    own_redis.client.replicaof("127.0.0.1", "1")
    error = publish_next(served)
    assert "read-only" in error.problem
    served.check_refused(error)
    own_redis.client.replicaof("NO", "ONE")
    check_publishing_works_again(served)


def test_redis_down(served: Served, own_redis: RedisServer) -> None:
    own_redis.stop()
    error = publish_next(served)
    assert "does not answer" in error.problem
    assert f"127.0.0.1:{own_redis.port}" in error.problem
    with pytest.raises(StoreUnavailable) as caught:
        read_live(served.workspace, served.job, list(served.predictions))
    assert caught.value.job == served.job.name


def test_redis_empty_after_a_restart_and_publishing_again_restores_service(
    served: Served, own_redis: RedisServer
) -> None:
    workspace, job = served.workspace, served.job
    run_night(workspace, job, LIVE, "second")
    own_redis.stop()
    own_redis.start()
    with pytest.raises(Unhealthy, match="nothing is live"):
        read_live(workspace, job, list(served.predictions))
    again = run_night(workspace, job, LIVE, "third")
    assert again["publish"]["result"] == "live"
    assert token_of(again["publish"]["generation"]) == 3, "above every token that the lake knows"
    assert read_live(workspace, job, list(served.predictions)) == served.predictions


def test_a_redis_that_lost_a_bucket_is_not_taken_for_a_missing_prediction(
    served: Served, own_redis: RedisServer
) -> None:
    workspace, job = served.workspace, served.job
    generation = served.first["publish"]["generation"]
    for key in own_redis.client.scan_iter(f"nightjar:{job.name}:{generation}:*"):
        own_redis.client.delete(key)
    with pytest.raises(Unhealthy, match="a bucket is gone"):
        open_reader(workspace, job).get(next(iter(served.predictions)))
    assert run_night(workspace, job, LIVE, "again")["publish"]["result"] == "live"
    assert read_live(workspace, job, list(served.predictions)) == served.predictions


def test_nothing_before_publication_needs_redis(scored_home: Path, clock: Clock, job: Job, tmp_path: Path) -> None:
    shutil.copytree(scored_home, tmp_path / "home")
    workspace: Workspace = open_workspace(make_settings(tmp_path / "home", "redis://127.0.0.1:1/0"), clock)
    assert run_until_scored(workspace, job, LIVE, "again")["score"]["rows"] > 0
