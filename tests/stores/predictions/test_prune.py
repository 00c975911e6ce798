"""Which generations are removed, and which never are."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from pipeline.errors import BadInputError, RefusedError
from pipeline.keyspace import bucket_key, prior_key
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.registry import Registry
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
    paused._shipment.finish_sending()
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


def test_what_is_pinned_stays_until_the_pin_is_taken_out(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    pinned, _, _ = (publish(store, make_predictions(100)).generation for _ in range(3))
    store.pin(JOB, pinned, "Jane Doe", "the audit")
    clock.advance(hours=2)
    assert store.prune(JOB) == []
    assert has_data(client, pinned)
    [pin] = [item.pin for item in store.generations(JOB) if item.pin]
    assert (pin.who, pin.why, pin.at) == ("Jane Doe", "the audit", "2013-04-02T09:30:00+00:00")
    assert store.unpin(JOB, pinned)
    assert not store.unpin(JOB, pinned)
    assert store.prune(JOB) == [pinned]


def test_what_is_pinned_while_it_is_pruned_stays(
    store: PredictionStore, client: redis.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _, _ = (publish(store, make_predictions(100)).generation for _ in range(3))
    clock.advance(hours=2)
    reject = Registry.reject

    def pin_and_reject(registry: Registry, generation: str, *rest: Any) -> str:
        store.pin(JOB, first, "Jane Doe", "just in time")
        return reject(registry, generation, *rest)

    monkeypatch.setattr(Registry, "reject", pin_and_reject)
    assert store.prune(JOB) == []
    assert has_data(client, first)


def test_only_a_whole_generation_can_be_pinned(store: PredictionStore) -> None:
    loading = store.begin(JOB, DAYS[0], 100, 1)
    for generation, state in ((loading.generation, "loading"), ("9-abcd", "unknown")):
        with pytest.raises(RefusedError, match=f"its state is {state}"):
            store.pin(JOB, generation, "Jane Doe", "the audit")
    with pytest.raises(BadInputError, match="a name and a reason"):
        store.pin(JOB, loading.generation, "", "the audit")


def test_a_dead_load_is_given_up_and_its_data_and_priors_removed(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    """Its name stays for another hour, since its publisher may only be paused."""
    dead = store.begin(JOB, DAYS[0], 5000, 1)
    dead.send(make_table(make_predictions(5000)))
    dead._shipment.finish_sending()
    client.hset(prior_key(JOB, dead.generation), "", "0.5")
    publish(store, make_predictions(100))
    assert store.prune(JOB) == []
    clock.advance(minutes=61)
    assert store.prune(JOB, dry_run=True) == [dead.generation]
    assert has_data(client, dead.generation)
    assert store.prune(JOB) == [dead.generation]
    assert not client.keys(f"nightjar:{JOB}:{dead.generation}:*")
    clock.advance(minutes=61)
    assert store.prune(JOB) == [dead.generation]
    assert dead.generation not in {item.name for item in store.generations(JOB)}


def test_looking_first_names_what_would_go_and_removes_nothing(store: PredictionStore, clock: Clock) -> None:
    for _ in range(4):
        publish(store, make_predictions(100))
    clock.advance(hours=2)
    before = store.generations(JOB)
    named = store.prune(JOB, dry_run=True)
    assert len(named) == 2
    assert store.generations(JOB) == before
    assert store.prune(JOB) == named


def test_bytes_are_measured_before_and_gone_after(store: PredictionStore, client: redis.Redis, clock: Clock) -> None:
    store.begin(JOB, DAYS[0], 10, 1).abandon()
    before = client.info("memory")["used_memory"]
    publish(store, make_predictions(20_000))
    took = client.info("memory")["used_memory"] - before
    [measured] = [store.measure(JOB, item) for item in store.generations(JOB) if item.header]
    assert measured.keys == store.generations(JOB)[0].buckets
    assert measured.bytes == pytest.approx(took, rel=0.15)
    [nothing] = [store.measure(JOB, item) for item in store.generations(JOB) if not item.header]
    assert (nothing.keys, nothing.bytes) == (0, 0)


def test_after_a_rollback_the_one_before_stays_for_the_next(store: PredictionStore, clock: Clock) -> None:
    first, second, third = (publish(store, make_predictions(100), day).generation for day in DAYS[:3])
    assert store.rollback(JOB, None, who="Jane Doe", why="zeros").generation == second
    clock.advance(hours=2)
    assert store.prune(JOB, keep=0) == [third]
    assert store.rollback(JOB, None, who="Jane Doe", why="zeros").generation == first
