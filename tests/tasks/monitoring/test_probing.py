"""The probe reads what applications read, counts what fails and gives up on a Redis that does not answer."""

from __future__ import annotations

from dataclasses import replace

import redis
from pydantic import SecretStr

from pipeline.keyspace import bucket_key
from pipeline.monitoring import ReadLatency
from pipeline.stores.stage_outputs import Output
from pipeline.tasks import Workspace
from pipeline.tasks.monitoring.probing import PATIENCE, SAMPLED_READS, probe_reads, sample_ids
from pipeline.tasks.scoring import SCORE_STAGE
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE

NO_REDIS = "redis://127.0.0.1:1/0"


def load_scores(served: Served) -> Output:
    return served.workspace.outputs(served.job).load(SCORE_STAGE, served.first["score"]["output"])


def probe(served: Served, workspace: Workspace | None = None, partition: str | None = None) -> ReadLatency:
    generation = served.first["publish"]["generation"]
    found = probe_reads(workspace or served.workspace, served.job, load_scores(served), generation, partition)
    assert found is not None
    return found


def count_sampled(served: Served) -> int:
    return len(sample_ids(served.workspace, served.job, load_scores(served)))


def test_entities_of_every_shard_are_sampled_the_same_ones_every_time(served: Served) -> None:
    ids, again = (sample_ids(served.workspace, served.job, load_scores(served)) for _ in range(2))
    assert ids == again
    assert SAMPLED_READS - 3 < len(set(ids)) == len(ids) <= SAMPLED_READS  # a shard may have fewer than its part
    assert set(ids) <= served.predictions.keys()


def test_every_read_is_timed_live_and_by_partition(served: Served) -> None:
    for partition in (None, LIVE):
        found = probe(served, partition=partition)
        assert (found.reads, found.errors) == (count_sampled(served), 0)
        assert 0 < found.p50 <= found.p99 < 1


def test_reads_that_fail_are_counted(served: Served, redis_url: str) -> None:
    """A bucket is gone, and with it the predictions that are in it; the others are read."""
    with redis.Redis.from_url(redis_url) as client:
        lost = client.hkeys(bucket_key(served.job.name, served.first["publish"]["generation"], 0))
        client.delete(bucket_key(served.job.name, served.first["publish"]["generation"], 0))
    sampled = {entity.encode() for entity in sample_ids(served.workspace, served.job, load_scores(served))}
    found = probe(served)
    assert (found.reads, found.errors) == (count_sampled(served), len(sampled & set(lost)))
    assert found.errors > 0


def test_an_entity_of_the_release_that_is_not_found_is_an_error(served: Served, redis_url: str) -> None:
    entity = sample_ids(served.workspace, served.job, load_scores(served))[0]
    with redis.Redis.from_url(redis_url) as client:
        every = client.keys(f"nightjar:{served.job.name}:{served.first['publish']['generation']}:*")
        keys = [key for key in every if b":reasons:" not in key]
        assert sum(int(client.hdel(key, entity)) for key in keys) == 1
    found = probe(served)
    assert (found.reads, found.errors) == (count_sampled(served), 1)


def test_a_partition_that_is_not_kept_is_an_error_of_every_read(served: Served) -> None:
    found = probe(served, partition="2024-01-01")
    assert (found.reads, found.errors) == (count_sampled(served), count_sampled(served))


def test_a_redis_that_does_not_answer_is_given_up_soon(served: Served) -> None:
    settings = served.workspace.settings.model_copy(update={"redis_reader_url": SecretStr(NO_REDIS)})
    found = probe(served, replace(served.workspace, settings=settings))
    assert (found.reads, found.errors) == (PATIENCE, PATIENCE)
