"""Which generations are removed, and which never are."""

from __future__ import annotations

import pytest
import redis

from pipeline.keyspace import bucket_key
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, load_generation, make_predictions, make_table, publish

DAYS = [f"2013-04-{day:02d}" for day in range(1, 10)]


def has_data(client: redis.Redis, generation: str) -> bool:
    return bool(client.exists(bucket_key(JOB, generation, 0)))


def test_superseded_runs_of_a_partition_go_and_live_and_previous_stay(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    runs = []
    for _ in range(4):
        runs.append(publish(store, make_predictions(500)).generation)
        clock.advance(minutes=1)
    clock.advance(minutes=11)
    assert sorted(store.prune(JOB)) == sorted(runs[:2])
    assert [has_data(client, name) for name in runs] == [False, False, True, True]
    assert {item.name for item in store.generations(JOB)} == set(runs[2:])


def test_what_retired_less_than_ten_minutes_ago_stays_for_readers(store: PredictionStore, clock: Clock) -> None:
    first = publish(store, make_predictions(100))
    publish(store, make_predictions(100))
    publish(store, make_predictions(100))
    clock.advance(minutes=10)
    assert store.prune(JOB) == []
    clock.advance(seconds=1)
    assert store.prune(JOB) == [first.generation]


def test_the_newest_of_the_last_partitions_and_recent_backfills_stay(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    nights = {day: publish(store, make_predictions(100), day).generation for day in DAYS[2:-1]}
    backfill = publish(store, make_predictions(100), DAYS[0])
    nights[DAYS[-1]] = publish(store, make_predictions(100), DAYS[-1]).generation
    clock.advance(hours=2)
    removed = set(store.prune(JOB, keep=3))
    assert removed == {nights[day] for day in DAYS[2:6]}
    assert has_data(client, backfill.generation)
    assert client.hgetall(f"nightjar:{{{JOB}}}:partitions") == {
        DAYS[0]: backfill.generation,
        **{day: nights[day] for day in DAYS[6:]},
    }


def test_what_is_loading_or_about_to_be_flipped_stays(store: PredictionStore, clock: Clock) -> None:
    publish(store, make_predictions(100))
    overtaken = load_generation(store, make_predictions(100))
    waiting = load_generation(store, make_predictions(100))
    loading = store.begin(JOB, DAYS[0], 100, 1)
    clock.advance(hours=5)
    assert store.prune(JOB) == []
    store.flip(JOB, waiting.generation, waiting.token)
    clock.advance(hours=5)
    assert store.prune(JOB) == [overtaken.generation]
    assert loading.generation in {item.name for item in store.generations(JOB)}


def test_what_a_late_publisher_wrote_after_it_was_given_up_is_removed(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    publish(store, make_predictions(100))
    paused = store.begin(JOB, DAYS[0], 5000, 1)
    clock.advance(minutes=61)
    store.begin(JOB, DAYS[0], 100, 1)
    paused.send(make_table(make_predictions(5000)))
    paused._sent.append(paused._under_way.popleft().result())
    assert has_data(client, paused.generation)
    assert store.prune(JOB) == []
    clock.advance(minutes=61)
    assert store.prune(JOB) == [paused.generation]
    assert not has_data(client, paused.generation)


@pytest.mark.parametrize("keep", [0, 1])
def test_live_is_never_removed(store: PredictionStore, client: redis.Redis, clock: Clock, keep: int) -> None:
    flip = publish(store, make_predictions(100))
    clock.advance(hours=48)
    assert store.prune(JOB, keep=keep) == []
    assert has_data(client, flip.generation)


def test_pruning_never_scans_the_keyspace(store: PredictionStore, client: redis.Redis, clock: Clock) -> None:
    for _ in range(3):
        publish(store, make_predictions(100))
    clock.advance(hours=1)
    client.config_resetstat()
    assert store.prune(JOB)
    assert not {"cmdstat_scan", "cmdstat_keys"} & client.info("commandstats").keys()


def test_the_newest_of_a_partition_stays_as_long_as_an_older_one_of_it(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    """A backfill that is done again soon after: what it replaces is still held for slow readers."""
    first = {day: publish(store, make_predictions(100), day).generation for day in DAYS}
    again = {day: publish(store, make_predictions(100), day).generation for day in DAYS[:-1]}
    publish(store, make_predictions(100), DAYS[-1])
    store.prune(JOB, keep=1)
    partitions = client.hgetall(f"nightjar:{{{JOB}}}:partitions")
    held = {day for day in DAYS if has_data(client, first[day])}
    assert held
    assert {day: partitions.get(day) for day in held - {DAYS[-1]}} == {day: again[day] for day in held - {DAYS[-1]}}
    clock.advance(hours=2)
    store.prune(JOB, keep=1)
    assert DAYS[1] not in client.hgetall(f"nightjar:{{{JOB}}}:partitions")
