"""Making a generation live, and what is refused."""

from __future__ import annotations

import pytest
import redis

from pipeline.errors import RefusedError
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB, PARTITION, load_generation, make_predictions, make_table, publish


def live_generation(store: PredictionStore) -> str:
    live = store.live(JOB)
    assert live is not None
    return live.generation


def states(store: PredictionStore) -> dict[str, str]:
    return {item.name: item.state.value for item in store.generations(JOB)}


def test_a_flip_makes_a_generation_live_and_retires_the_one_before(store: PredictionStore) -> None:
    first = publish(store, make_predictions(100))
    second = publish(store, make_predictions(100), "2013-04-02")
    assert (first.result, first.previous) == ("live", None)
    assert (second.result, second.previous) == ("live", first.generation)
    assert live_generation(store) == second.generation
    assert states(store) == {second.generation: "live", first.generation: "retired"}


def test_live_carries_token_generation_and_the_header_unchanged(store: PredictionStore, client: redis.Redis) -> None:
    flip = publish(store, make_predictions(100))
    live = client.hgetall(f"nightjar:{{{JOB}}}:live")
    assert live.keys() == {"token", "generation", "header"}
    assert live["generation"] == flip.generation
    assert live["token"] == flip.generation.split("-")[0]
    assert live["header"] == client.hget(f"nightjar:{{{JOB}}}:headers", flip.generation)


def test_a_stale_token_is_refused(store: PredictionStore) -> None:
    slow = load_generation(store, make_predictions(100))
    fast = publish(store, make_predictions(100, offset=0.1))
    with pytest.raises(RefusedError, match="was not made live"):
        store.flip(JOB, slow.generation, slow.token)
    assert live_generation(store) == fast.generation


def test_a_publisher_that_slept_through_a_rollback_is_refused(store: PredictionStore) -> None:
    good = publish(store, make_predictions(100))
    publish(store, make_predictions(100, offset=0.1))
    sleeper = load_generation(store, make_predictions(100, offset=0.2))
    store.flip(JOB, good.generation, store.take_token(JOB))
    with pytest.raises(RefusedError, match="was not made live"):
        store.flip(JOB, sleeper.generation, sleeper.token)
    assert live_generation(store) == good.generation


def test_a_retired_generation_comes_back_with_a_new_token_only(store: PredictionStore) -> None:
    first = publish(store, make_predictions(100))
    second = publish(store, make_predictions(100))
    with pytest.raises(RefusedError):
        store.flip(JOB, first.generation, int(first.generation.split("-")[0]))
    back = store.flip(JOB, first.generation, store.take_token(JOB))
    assert back.previous == second.generation
    assert states(store) == {first.generation: "live", second.generation: "retired"}


def test_repeating_a_flip_changes_nothing(store: PredictionStore) -> None:
    load = load_generation(store, make_predictions(100))
    store.flip(JOB, load.generation, load.token)
    again = store.flip(JOB, load.generation, load.token)
    assert again.result == "live"
    assert states(store) == {load.generation: "live"}


def test_a_generation_that_is_not_verified_is_refused(store: PredictionStore) -> None:
    served = publish(store, make_predictions(100))
    load = store.begin(JOB, PARTITION, 100, 1)
    load.send(make_table(make_predictions(100)))
    with pytest.raises(RefusedError, match="loading"):
        store.flip(JOB, load.generation, load.token)
    load.abandon()
    with pytest.raises(RefusedError, match="rejected"):
        store.flip(JOB, load.generation, load.token)
    with pytest.raises(RefusedError, match="not known"):
        store.flip(JOB, "99-abcd", 99)
    assert live_generation(store) == served.generation


def test_an_older_partition_is_kept_and_not_made_live(store: PredictionStore, client: redis.Redis) -> None:
    newer = publish(store, make_predictions(100), "2013-04-02")
    older = publish(store, make_predictions(100), "2013-04-01")
    assert (older.result, older.previous) == ("kept", newer.generation)
    assert live_generation(store) == newer.generation
    assert states(store)[older.generation] == "verified"
    assert client.hget(f"nightjar:{{{JOB}}}:partitions", "2013-04-01") == older.generation


def test_an_older_partition_becomes_live_when_told_to(store: PredictionStore) -> None:
    publish(store, make_predictions(100), "2013-04-02")
    load = load_generation(store, make_predictions(100), "2013-04-01")
    assert store.flip(JOB, load.generation, load.token, allow_older_partition=True).result == "live"


def test_an_older_partition_is_kept_though_a_newer_run_of_another_went_live_meanwhile(store: PredictionStore) -> None:
    """A backfill beside the nightly run: it would not become live anyhow."""
    publish(store, make_predictions(100), "2013-04-02")
    backfill = load_generation(store, make_predictions(100), "2013-04-01")
    publish(store, make_predictions(100), "2013-04-03")
    assert store.flip(JOB, backfill.generation, backfill.token).result == "kept"


def test_an_older_partition_that_was_itself_overtaken_is_refused(store: PredictionStore) -> None:
    publish(store, make_predictions(100), "2013-04-02")
    slow = load_generation(store, make_predictions(100), "2013-04-01")
    fast = publish(store, make_predictions(100), "2013-04-01")
    publish(store, make_predictions(100), "2013-04-03")
    with pytest.raises(RefusedError, match=f"a newer one, {fast.generation}"):
        store.flip(JOB, slow.generation, slow.token)


@pytest.mark.parametrize("day", ["2013-04-01", "2013-04-02", "2013-04-03"])
def test_what_was_made_as_known_then_never_goes_live(store: PredictionStore, client: redis.Redis, day: str) -> None:
    served = publish(store, make_predictions(100), "2013-04-02")
    load = load_generation(store, make_predictions(100), day, basis="as_known_then")
    assert store.flip(JOB, load.generation, load.token, allow_older_partition=True).result == "kept"
    assert live_generation(store) == served.generation
    stands = served.generation if day == "2013-04-02" else load.generation
    assert client.hget(f"nightjar:{{{JOB}}}:partitions", day) == stands


def test_what_was_made_as_known_then_does_not_go_live_where_nothing_is(store: PredictionStore) -> None:
    load = load_generation(store, make_predictions(100), basis="as_known_then")
    assert store.flip(JOB, load.generation, load.token).result == "kept"
    assert store.live(JOB) is None


def test_a_rerun_of_the_live_partition_replaces_it(store: PredictionStore) -> None:
    publish(store, make_predictions(100))
    again = publish(store, make_predictions(100, offset=0.1))
    assert again.result == "live"
    assert live_generation(store) == again.generation


def test_what_is_not_published_replaces_nothing_for_its_partition(store: PredictionStore, client: redis.Redis) -> None:
    """It may be waiting for an approval that it does not get."""
    served = publish(store, make_predictions(100))
    staged = load_generation(store, make_predictions(100))
    assert client.hget(f"nightjar:{{{JOB}}}:partitions", PARTITION) == served.generation
    store.flip(JOB, staged.generation, staged.token)
    assert client.hget(f"nightjar:{{{JOB}}}:partitions", PARTITION) == staged.generation


def test_the_newest_verified_generation_stands_for_its_partition(store: PredictionStore, client: redis.Redis) -> None:
    """Two runs of one partition: whichever seals last, the higher token stays."""
    slow = store.begin(JOB, PARTITION, 100, 1)
    fast = load_generation(store, make_predictions(100))
    slow.send(make_table(make_predictions(100)))
    slow.read_back()
    slow.seal(
        slow.make_header(
            cutoff=store._clock(),
            model_version="1",
            feature_set="f",
            columns=("s",),
            max_age_seconds=None,
            manifest="m",
        )
    )
    assert client.hget(f"nightjar:{{{JOB}}}:partitions", PARTITION) == fast.generation


def test_tokens_rise_above_what_the_lake_knows(store: PredictionStore) -> None:
    assert store.begin(JOB, PARTITION, 1, 1, known_token=41).token == 42
    assert store.begin(JOB, PARTITION, 1, 1, known_token=7).token == 43


def test_tokens_rise_above_live_even_if_the_counter_is_lost(store: PredictionStore, client: redis.Redis) -> None:
    flip = publish(store, make_predictions(10), known_token=99)
    client.delete(f"nightjar:{{{JOB}}}:token")
    load = store.begin(JOB, PARTITION, 1, 1)
    assert load.token > int(flip.generation.split("-")[0])


def test_large_tokens_keep_all_their_digits(store: PredictionStore) -> None:
    known = 2**52
    flip = publish(store, make_predictions(10), known_token=known)
    assert flip.generation.startswith(f"{known + 1}-")
