"""What the blocking and the awaiting reader have in common, on one server and on a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
import redis

from pipeline.errors import BadInputError, DamagedError
from pipeline.keyspace import bucket_key, bucket_of, live_key, prior_key
from pipeline.serving import PartitionNotKept, StoreUnavailable, Unhealthy
from pipeline.serving.lookups import Lookups, Steps
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load
from tests.serving.readers import AnyReader, OpenReader
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, publish, send_all, split
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import Cluster

PRIORS = {"": 0.2, "small": 0.1, "large": 0.4}


def load_with_priors(
    store: PredictionStore, predictions: dict[str, float], priors: dict[str, float] = PRIORS, **header: Any
) -> Load:
    with store.begin(JOB, header.pop("partition", PARTITION), len(predictions), 4) as load:
        load.send_priors(priors)
        send_all(load, split(predictions, 4))
        load.seal(make_header(load, **header))
    store.flip(JOB, load.generation, load.token)
    return load


@pytest.mark.parametrize("place", ["server", "cluster"])
def test_predictions_priors_and_overviews_are_the_same_everywhere(
    open_reader: OpenReader, clock: Clock, server: RedisServer, cluster: Cluster, place: str
) -> None:
    url = server.url if place == "server" else cluster.url
    store = PredictionStore(url, clock)
    predictions = make_predictions(3000)
    first = publish(store, make_predictions(10), "2013-03-31")
    second = load_with_priors(store, predictions, prior_segment="size")
    reader = open_reader(url)
    answers = reader.get_many([*predictions, "stranger"], segments={"stranger": "large"})
    assert {name: answer.value for name, answer in answers.items()} == predictions | {"stranger": 0.4}
    assert {answer.generation for answer in answers.values()} == {second.generation}
    assert [answers[name].source for name in ("parcel 1", "stranger")] == ["fresh", "prior"]
    assert reader.get("stranger", partition="2013-03-31").source == "missing"
    assert reader.get("parcel 1", partition="2013-03-31").generation == first.generation
    with pytest.raises(PartitionNotKept):
        reader.get("parcel 1", partition="2013-03-30")
    assert reader.status().header.prior_segment == "size"
    assert [release.generation for release in reader.releases()] == [second.generation, first.generation]
    assert reader.get_many([]) == {}


@pytest.mark.parametrize(
    ("segment", "value"), [("small", 0.1), ("large", 0.4), ("unheard of", 0.2), ("", 0.2), (None, 0.2)]
)
def test_an_entity_out_of_the_population_gets_the_prior_of_its_segment_or_the_global_one(
    store: PredictionStore, reader: AnyReader, segment: str | None, value: float
) -> None:
    load = load_with_priors(store, make_predictions(1000))
    answer = reader.get("stranger", segment=segment)
    assert (answer.value, answer.source, answer.found, answer.generation) == (value, "prior", True, load.generation)
    assert reader.get("parcel 7", segment=segment).source == "fresh"


def test_without_priors_it_is_missing(store: PredictionStore, reader: AnyReader) -> None:
    publish(store, make_predictions(1000))
    answer = reader.get("stranger", segment="small")
    assert (answer.value, answer.source, answer.found) == (None, "missing", False)


def test_a_prior_says_how_old_it_is(store: PredictionStore, reader: AnyReader, clock: Clock) -> None:
    load_with_priors(store, make_predictions(100), max_age_seconds=60)
    clock.advance(hours=2)
    assert (reader.get("parcel 1").source, reader.get("stranger").source) == ("stale", "prior")
    assert reader.get("stranger").age == timedelta(hours=3, minutes=30)


def test_priors_are_rounded_and_written_as_predictions_are(store: PredictionStore, server: RedisServer) -> None:
    with store.begin(JOB, PARTITION, 10, 1, decimals=3) as load:
        load.send_priors({"": 1 / 3, "ganz groß": 1.0})
        send_all(load, split(make_predictions(10), 1))
        load.seal(make_header(load))
    assert server.client.hgetall(prior_key(JOB, load.generation)) == {"": "0.333", "ganz groß": "1"}


@pytest.mark.parametrize(
    "priors",
    [{"small": 0.1}, {"": None}, {"": float("nan")}, {"": 0.1, "a\nb": 0.2}, {"": 0.1, "b": "text"}, {"": [0.1, 0.2]}],
)
def test_priors_that_are_none_are_refused(store: PredictionStore, server: RedisServer, priors: dict[str, Any]) -> None:
    load = store.begin(JOB, PARTITION, 10, 1)

    def send() -> None:
        load.send_priors(priors)
        send_all(load, split(make_predictions(10), 1))

    with pytest.raises(BadInputError):
        send()
    assert not list(server.client.scan_iter(f"nightjar:{JOB}:{load.generation}:*"))


def test_priors_of_several_columns_are_arrays(store: PredictionStore, reader: AnyReader) -> None:
    with store.begin(JOB, PARTITION, 1, 1) as load:
        load.send_priors({"": ["late", 0.25], "small": ["on time", 0.5]})
        send_all(load, [pa.table({"id": ["a"], "class": ["late"], "share": [0.75]})])
        load.seal(make_header(load, columns=("class", "share")))
    store.flip(JOB, load.generation, load.token)
    assert reader.get("stranger", segment="small").value == ["on time", 0.5]


def test_priors_that_redis_holds_otherwise_are_not_sealed(store: PredictionStore, server: RedisServer) -> None:
    load = store.begin(JOB, PARTITION, 10, 1)
    load.send_priors(PRIORS)
    load.send(split(make_predictions(10), 1)[0])
    server.client.hset(prior_key(JOB, load.generation), "small", "0.9")
    with pytest.raises(DamagedError, match="not what was sent"):
        load.read_back()
    assert not list(server.client.scan_iter(f"nightjar:{JOB}:{load.generation}:*"))


def test_caveats_are_told_with_every_answer(store: PredictionStore, reader: AnyReader) -> None:
    caveats = ("schedule delivery 1a2b accepted by Jane Doe: late but whole",)
    publish(store, make_predictions(100), caveats=caveats)
    answer = reader.get("parcel 1")
    assert answer.caveats == caveats
    assert json.loads(json.dumps(answer.to_json()))["caveats"] == list(caveats)


def test_lost_priors_are_damage_and_not_a_missing_prediction(
    store: PredictionStore, reader: AnyReader, client: redis.Redis
) -> None:
    load = load_with_priors(store, make_predictions(100))
    client.delete(prior_key(JOB, load.generation))
    assert reader.get("parcel 1").found
    with pytest.raises(Unhealthy, match="the hash of priors is gone"):
        reader.get("stranger", segment="small")


def test_a_lost_bucket_is_damage_though_there_is_a_prior(
    store: PredictionStore, reader: AnyReader, client: redis.Redis
) -> None:
    load = load_with_priors(store, make_predictions(1000))
    client.delete(bucket_key(JOB, load.generation, bucket_of("parcel 7", load.buckets or 0)))
    with pytest.raises(Unhealthy, match="a bucket is gone"):
        reader.get("parcel 7")


@pytest.mark.parametrize("partition", [None, PARTITION])
@pytest.mark.parametrize(
    ("token", "problem"), [("1", "went back in time"), ("", "has no token"), (None, "has no token")]
)
def test_a_store_whose_token_went_back_is_unhealthy_until_it_is_published_again(
    store: PredictionStore,
    reader: AnyReader,
    client: redis.Redis,
    partition: str | None,
    token: str | None,
    problem: str,
) -> None:
    publish(store, make_predictions(100))
    publish(store, make_predictions(100, offset=0.25))
    assert reader.get("parcel 0").value == 0.25
    client.hdel(live_key(JOB), "token")
    if token is not None:
        client.hset(live_key(JOB), "token", token)
    for _ in range(2):
        with pytest.raises(Unhealthy, match=problem):
            reader.get("parcel 0", partition=partition)
    client.hset(live_key(JOB), "token", "2")
    publish(store, make_predictions(100, offset=0.5))
    assert reader.get("parcel 0", partition=partition).value == 0.5


def test_a_token_that_was_given_out_twice_is_unhealthy(
    start_server: Callable[..., RedisServer], clock: Clock, open_reader: OpenReader
) -> None:
    """A store that lost everything and was published to without what the lake knows."""
    server = start_server()
    store = PredictionStore(server.url, clock)
    publish(store, make_predictions(100))
    reader = open_reader(server.url)
    assert reader.get("parcel 0").found
    server.client.flushall()
    publish(store, make_predictions(100))
    with pytest.raises(Unhealthy, match="went back in time"):
        reader.get("parcel 0")


def test_a_rollback_is_no_step_back_in_time(store: PredictionStore, reader: AnyReader) -> None:
    publish(store, make_predictions(100))
    publish(store, make_predictions(100, offset=0.25))
    assert reader.get("parcel 0").value == 0.25
    store.rollback(JOB, None, who="Jane Doe", why="wrong fares")
    assert reader.get("parcel 0").value == 0


def test_an_erasure_is_no_step_back_in_time(store: PredictionStore, reader: AnyReader) -> None:
    """It changes the header of what is live, and not its token."""
    publish(store, make_predictions(100))
    assert reader.get("parcel 1").found
    store.erase_entity(JOB, "parcel 1")
    assert not reader.get("parcel 1").found
    assert reader.get("parcel 2").found
    assert reader.status().header.rows == 99


def test_a_reply_that_was_overtaken_by_another_threads_is_no_step_back_in_time(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    """Threads share what was seen: it counts only if it had been seen before Redis was asked."""
    lookups = Lookups(JOB, address=lambda: "here", clock=clock, live_seconds=0, monotonic=lambda: 0.0)

    def ask(steps: Steps[Any]) -> list[Any]:
        return [client.execute_command(*command) for command in next(steps)]  # type: ignore[no-untyped-call]

    publish(store, make_predictions(100))
    slow = lookups.read_live()
    overtaken = ask(slow)
    publish(store, make_predictions(100))
    quick = lookups.read_live()
    with pytest.raises(StopIteration) as found:
        quick.send(ask(quick))
    assert found.value.value.token == 2
    with pytest.raises(StopIteration) as found:
        slow.send(overtaken)
    assert found.value.value.token == 1


def test_what_is_down_is_unavailable_and_says_where_it_was(
    start_server: Callable[..., RedisServer], clock: Clock, open_reader: OpenReader
) -> None:
    server = start_server()
    publish(PredictionStore(server.url, clock), make_predictions(100))
    reader = open_reader(server.url)
    assert reader.get("parcel 0").found
    server.stop()
    for read in (lambda: reader.get("parcel 0"), reader.status, reader.releases):
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{server.port}"):
            read()


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://u:hush@127.0.0.1:1",
        "redis+sentinel://u:hush@127.0.0.1:1/night/0",
        "redis://u:hush@127.0.0.1:1/0",
    ],
)
def test_what_never_was_there_is_unavailable_and_passwords_stay_out(url: str, open_reader: OpenReader) -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1") as refused:
        open_reader(url).get("parcel 0")
    assert "hush" not in str(refused.value)
