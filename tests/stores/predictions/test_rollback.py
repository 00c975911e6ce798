"""Rolling back: who is live then, what is rejected, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import pytest
import redis

from pipeline.errors import BadInputError, RefusedError
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore, Rejection, Rollback
from pipeline.stores.predictions.registry import Registry
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import (
    JOB,
    load_generation,
    make_header,
    make_predictions,
    publish,
    send_all,
    split,
)
from tests.stores.predictions.server import RedisServer

DAYS = [f"2013-04-{day:02d}" for day in range(1, 10)]


def publish_night(store: PredictionStore, day: str, inputs: str, **options: Any) -> str:
    flip = publish(store, make_predictions(100), day, inputs=inputs, **options)
    assert flip.result == "live"
    return flip.generation


def roll_back(store: PredictionStore, to: str | None = None) -> Rollback:
    return store.rollback(JOB, to, who="Jane Doe", why="scores of zero")


def live_generation(store: PredictionStore) -> str:
    live = store.live(JOB)
    assert live is not None
    return live.generation


def states(store: PredictionStore) -> dict[str, str]:
    return {item.name: item.state.value for item in store.generations(JOB)}


def newest_of(client: redis.Redis, day: str) -> str | None:
    return cast("str | None", client.hget(f"nightjar:{{{JOB}}}:partitions", day))


def test_the_generation_before_is_live_again_with_a_new_token(store: PredictionStore) -> None:
    first, second = publish_night(store, DAYS[0], "a"), publish_night(store, DAYS[1], "b")
    done = roll_back(store)
    assert done == Rollback(first, second, [second], token=3)
    live = store.live(JOB)
    assert live is not None
    assert (live.generation, live.token, live.header.partition) == (first, 3, DAYS[0])
    assert states(store) == {first: "live", second: "rejected"}


def test_who_rolled_back_why_and_when_is_kept_by_the_digest_of_the_inputs(store: PredictionStore, clock: Clock) -> None:
    publish_night(store, DAYS[0], "a")
    second = publish_night(store, DAYS[1], "b")
    store.rollback(JOB, None, who='Jane "JD" Doe', why="50 % zero\n/ Müller")
    at = clock().isoformat()
    expected = Rejection('Jane "JD" Doe', "50 % zero\n/ Müller", at, second, DAYS[1])
    assert store.rejections(JOB) == {"b": expected}


def test_the_same_inputs_do_not_come_back_by_themselves(store: PredictionStore, client: redis.Redis) -> None:
    first = publish_night(store, DAYS[0], "a")
    publish_night(store, DAYS[1], "b")
    roll_back(store)
    again = load_generation(store, make_predictions(100), DAYS[1], inputs="b")
    with pytest.raises(RefusedError, match=r"rolled back by Jane Doe at .*: scores of zero"):
        store.flip(JOB, again.generation, again.token)
    assert live_generation(store) == first
    assert newest_of(client, DAYS[1]) is None


def test_what_was_rolled_back_comes_back_when_forced_and_is_rejected_no_longer(
    store: PredictionStore, client: redis.Redis
) -> None:
    publish_night(store, DAYS[0], "a")
    publish_night(store, DAYS[1], "b")
    roll_back(store)
    again = load_generation(store, make_predictions(100), DAYS[1], inputs="b")
    assert store.flip(JOB, again.generation, again.token, allow_rejected=True).result == "live"
    assert store.rejections(JOB) == {}
    assert newest_of(client, DAYS[1]) == again.generation


def test_the_very_generation_that_was_rolled_back_comes_back_when_forced(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    publish_night(store, DAYS[0], "a")
    second = publish_night(store, DAYS[1], "b")
    roll_back(store)
    with pytest.raises(RefusedError, match="rejected"):
        store.flip(JOB, second, store.take_token(JOB))
    assert store.flip(JOB, second, store.take_token(JOB), allow_rejected=True).result == "live"
    assert newest_of(client, DAYS[1]) == second
    clock.advance(hours=5)
    store.prune(JOB, keep=1)
    assert states(store)[second] == "live"


def test_corrected_inputs_and_the_next_night_go_live(store: PredictionStore) -> None:
    publish_night(store, DAYS[0], "a")
    publish_night(store, DAYS[1], "b")
    roll_back(store)
    corrected = publish_night(store, DAYS[1], "b corrected")
    assert live_generation(store) == corrected
    next_night = publish_night(store, DAYS[2], "c")
    assert live_generation(store) == next_night


def test_rolling_back_further_rejects_everything_released_since(store: PredictionStore) -> None:
    names = [publish_night(store, day, f"inputs {day}") for day in DAYS[:4]]
    backfill = publish(store, make_predictions(100), "2013-03-01", inputs="backfill").generation
    done = roll_back(store, names[1])
    assert sorted(done.rejected) == sorted(names[2:])
    assert store.rejections(JOB).keys() == {f"inputs {day}" for day in DAYS[2:4]}
    assert states(store)[backfill] == "verified"


def test_rolling_back_twice_goes_back_twice(store: PredictionStore) -> None:
    names = [publish_night(store, day, f"inputs {day}") for day in DAYS[:3]]
    assert roll_back(store).generation == names[1]
    second = roll_back(store)
    assert (second.generation, second.rejected) == (names[0], [names[1]])
    with pytest.raises(RefusedError, match="nothing was rolled back"):
        roll_back(store)
    assert live_generation(store) == names[0]


def test_a_rollback_to_what_is_live_changes_nothing(store: PredictionStore) -> None:
    publish_night(store, DAYS[0], "a")
    second = publish_night(store, DAYS[1], "b")
    assert roll_back(store, second).rejected == []
    assert states(store)[second] == "live"


def test_a_rollback_whose_reply_was_lost_is_not_done_twice(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    """redis-py sends it again."""
    names = [publish_night(store, day, f"inputs {day}") for day in DAYS[:3]]
    registry = Registry(client, JOB, clock)
    decision = Rejection("Jane Doe", "zeros", clock().isoformat(), "", "")
    first = registry.roll_back(names[2], names[1], decision, 0)
    assert registry.roll_back(names[2], names[1], decision, 0) == first == ["live", "4", names[2]]


def test_a_rollback_that_somebody_else_overtook_is_refused(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    names = [publish_night(store, day, f"inputs {day}") for day in DAYS[:3]]
    decision = Rejection("Jane Doe", "zeros", clock().isoformat(), "", "")
    assert Registry(client, JOB, clock).roll_back(names[1], names[0], decision, 0) == ["moved", names[2]]
    assert live_generation(store) == names[2]


@pytest.mark.parametrize("kind", ["kept", "unknown", "loading", "rejected"])
def test_only_what_was_live_before_can_be_returned_to(store: PredictionStore, kind: str) -> None:
    first, second = publish_night(store, DAYS[1], "a"), publish_night(store, DAYS[2], "b")
    targets = {
        "kept": publish(store, make_predictions(100), DAYS[0]).generation,
        "unknown": "77-abcd",
        "loading": store.begin(JOB, DAYS[2], 100, 1).generation,
        "rejected": second,
    }
    if kind == "rejected":
        roll_back(store)
    before = live_generation(store)
    with pytest.raises(RefusedError, match="nothing was rolled back"):
        roll_back(store, targets[kind])
    assert live_generation(store) == before
    assert before in {first, second}


def test_nothing_is_rolled_back_without_a_name_and_a_reason(store: PredictionStore) -> None:
    with pytest.raises(BadInputError, match="a name and a reason"):
        store.rollback(JOB, None, who="Jane", why=" ")


def test_reading_by_partition_falls_back_to_an_older_run_of_it(store: PredictionStore, server: RedisServer) -> None:
    publish_night(store, DAYS[0], "a")
    good = publish_night(store, DAYS[1], "b")
    publish_night(store, DAYS[1], "b changed")
    assert roll_back(store).generation == good
    assert Reader(server.url, JOB).get("parcel 1", partition=DAYS[1]).generation == good


def test_reading_by_partition_skips_other_runs_of_rejected_inputs(store: PredictionStore, client: redis.Redis) -> None:
    publish_night(store, DAYS[0], "a")
    publish_night(store, DAYS[1], "b")
    load_generation(store, make_predictions(100), DAYS[1], inputs="b")
    roll_back(store)
    assert newest_of(client, DAYS[1]) is None


def test_reading_by_partition_does_not_fall_back_to_what_was_never_published(
    store: PredictionStore, client: redis.Redis
) -> None:
    good = publish_night(store, DAYS[0], "a")
    load_generation(store, make_predictions(100), DAYS[0], inputs="waiting")
    publish_night(store, DAYS[0], "b")
    roll_back(store)
    assert newest_of(client, DAYS[0]) == good


def test_a_load_that_was_begun_before_a_rollback_is_refused_whatever_its_partition(
    store: PredictionStore, client: redis.Redis
) -> None:
    publish_night(store, DAYS[4], "a")
    backfill = store.begin(JOB, DAYS[0], 100, 4)
    staged = load_generation(store, make_predictions(100), DAYS[1])
    publish_night(store, DAYS[5], "b")
    roll_back(store)
    publish_night(store, DAYS[6], "c")
    send_all(backfill, split(make_predictions(100), 4))
    with pytest.raises(RefusedError, match="there was a rollback since it began"):
        backfill.seal(make_header(backfill))
    with pytest.raises(RefusedError, match="the last rollback's"):
        store.flip(JOB, staged.generation, staged.token)
    assert newest_of(client, DAYS[0]) is None


def test_a_rollback_between_two_runs_of_the_same_inputs_rejects_no_inputs(store: PredictionStore) -> None:
    first, second = publish_night(store, DAYS[0], "a"), publish_night(store, DAYS[0], "a")
    assert roll_back(store, first).rejected == [second]
    assert store.rejections(JOB) == {}
    assert live_generation(store) == first


def test_inputs_that_are_not_known_are_not_rejected(store: PredictionStore) -> None:
    publish_night(store, DAYS[0], "")
    publish_night(store, DAYS[1], "")
    roll_back(store)
    assert store.rejections(JOB) == {}
    publish_night(store, DAYS[1], "")


def test_a_full_redis_is_rolled_back_all_the_same(start_server: Callable[..., RedisServer], clock: Clock) -> None:
    server = start_server()
    store, client = PredictionStore(server.url, clock), server.client
    first, second = publish_night(store, DAYS[0], "a"), publish_night(store, DAYS[1], "b")
    client.config_set("maxmemory", 100_000)
    with pytest.raises(redis.OutOfMemoryError):
        client.set("any", "thing")
    assert roll_back(store) == Rollback(first, second, [second], token=3)
    store.pin(JOB, first, "Jane Doe", "known to be good")
    assert Reader(server.url, JOB).get("parcel 1").generation == first


def test_readers_of_what_was_rolled_back_have_time_and_then_it_goes(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    publish_night(store, DAYS[0], "a")
    second = publish_night(store, DAYS[1], "b")
    roll_back(store)
    clock.advance(minutes=59)
    assert store.prune(JOB, keep=0) == []
    clock.advance(minutes=2)
    assert store.prune(JOB, keep=0) == [second]
    assert not client.keys(f"nightjar:{JOB}:{second}:*")


def test_rejections_can_be_entered_again(store: PredictionStore, client: redis.Redis) -> None:
    publish_night(store, DAYS[0], "a")
    publish_night(store, DAYS[1], "b")
    roll_back(store)
    rejections = store.rejections(JOB)
    client.flushall()
    store.restoration(JOB).reject(rejections)
    assert {inputs: asdict(item) for inputs, item in store.rejections(JOB).items()} == {
        inputs: asdict(item) for inputs, item in rejections.items()
    }
    again = load_generation(store, make_predictions(100), DAYS[1], inputs="b")
    with pytest.raises(RefusedError, match="rolled back"):
        store.flip(JOB, again.generation, again.token)


def test_a_partition_that_was_run_again_is_left_altogether(store: PredictionStore) -> None:
    """Every run of the same inputs serves the same: to return to one of them would change nothing."""
    first = publish_night(store, DAYS[0], "a")
    bad = [publish_night(store, DAYS[1], "b") for _ in range(2)]
    done = roll_back(store)
    assert (done.generation, sorted(done.rejected)) == (first, sorted(bad))


def test_an_audit_of_what_was_rolled_back_does_not_let_it_in_again(store: PredictionStore) -> None:
    publish_night(store, DAYS[0], "a")
    publish_night(store, DAYS[1], "b")
    roll_back(store)
    audit = load_generation(store, make_predictions(100), DAYS[1], inputs="b", basis="as_known_then")
    assert store.flip(JOB, audit.generation, audit.token, allow_rejected=True).result == "kept"
    with pytest.raises(RefusedError, match="rolled back"):
        publish_night(store, DAYS[1], "b")
