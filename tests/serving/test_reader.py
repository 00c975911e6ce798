"""Reading predictions from a real Redis."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import redis

from pipeline.errors import BadInputError
from pipeline.keyspace import bucket_key, bucket_of
from pipeline.serving import PartitionNotKept, Reader, StoreUnavailable, Unhealthy
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, publish, send_all
from tests.stores.predictions.server import RedisServer

LIVE = f"nightjar:{{{JOB}}}:live"
HEADERS = f"nightjar:{{{JOB}}}:headers"


@pytest.fixture
def reader(server: RedisServer, clock: Clock) -> Reader:
    """A reader that looks up what is live every time."""
    return Reader(server.url, JOB, clock=clock, live_seconds=0)


def test_a_prediction_says_what_it_is(store: PredictionStore, reader: Reader, clock: Clock) -> None:
    flip = publish(store, make_predictions(1000))
    clock.advance(hours=2)
    prediction = reader.get("parcel 7")
    assert prediction.found
    assert prediction.value == make_predictions(1000)["parcel 7"]
    assert prediction.source == "fresh"
    assert (prediction.model_version, prediction.partition, prediction.generation) == ("7", PARTITION, flip.generation)
    assert prediction.cutoff == datetime(2013, 4, 2, 8, tzinfo=UTC)
    assert prediction.age == timedelta(hours=3, minutes=30)
    assert json.loads(json.dumps(prediction.to_json()))["age"] == 12_600


def test_all_predictions_are_read_back_in_the_order_asked_for(store: PredictionStore, reader: Reader) -> None:
    predictions = make_predictions(3000)
    publish(store, predictions)
    names = list(predictions)[::-1]
    answers = reader.get_many([*names, names[0]])
    assert list(answers) == names
    assert {name: answer.value for name, answer in answers.items()} == predictions


def test_ids_with_spaces_and_of_any_script_are_read_back(store: PredictionStore, reader: Reader) -> None:
    predictions = dict(zip(["a b", "Zürich 3", "東京", "مرحبا", "🛫 1", "x" * 64, "%{}'\""], range(7), strict=True))
    publish(store, predictions)
    assert {name: item.value for name, item in reader.get_many(predictions).items()} == predictions


def test_an_entity_without_a_prediction_is_missing_and_no_error(store: PredictionStore, reader: Reader) -> None:
    flip = publish(store, make_predictions(100))
    answer = reader.get("stranger")
    assert (answer.found, answer.value, answer.source, answer.generation) == (False, None, "missing", flip.generation)


@pytest.mark.parametrize("entity_id", ["", "a\nb", "a\x00", "x" * 65])
def test_what_cannot_be_an_id_is_refused(store: PredictionStore, reader: Reader, entity_id: str) -> None:
    publish(store, make_predictions(100))
    with pytest.raises(BadInputError):
        reader.get(entity_id)


def test_arrays_come_in_the_order_of_the_columns(store: PredictionStore, reader: Reader) -> None:
    with store.begin(JOB, PARTITION, 2, 1) as load:
        send_all(load, [pa.table({"id": ["a", "b"], "class": ["late", "on time"], "share": [0.25, 0.5]})])
        load.seal(make_header(load, columns=("class", "share")))
    store.flip(JOB, load.generation, load.token)
    answer = reader.get("a")
    assert (answer.columns, answer.value) == (("class", "share"), ["late", 0.25])


def test_predictions_older_than_the_job_allows_are_stale(store: PredictionStore, reader: Reader, clock: Clock) -> None:
    publish(store, make_predictions(100), max_age_seconds=3 * 3600)
    clock.now = datetime(2013, 4, 2, 11, tzinfo=UTC)
    assert reader.get("parcel 1").source == "fresh"
    clock.advance(seconds=1)
    assert reader.get("parcel 1").source == "stale"
    assert reader.get("stranger").source == "missing"


def test_a_job_without_a_limit_is_never_stale(store: PredictionStore, reader: Reader, clock: Clock) -> None:
    publish(store, make_predictions(100), max_age_seconds=None)
    clock.advance(hours=10_000)
    assert reader.get("parcel 1").source == "fresh"


def test_an_older_partition_is_read_by_its_name(store: PredictionStore, reader: Reader) -> None:
    publish(store, make_predictions(100, offset=0.25), "2013-04-02")
    kept = publish(store, make_predictions(100), "2013-04-01")
    assert reader.get("parcel 0").value == 0.25
    answer = reader.get("parcel 0", partition="2013-04-01")
    assert (answer.value, answer.partition, answer.generation) == (0, "2013-04-01", kept.generation)
    with pytest.raises(PartitionNotKept) as caught:
        reader.get("parcel 0", partition="2013-03-31")
    assert caught.value.partition == "2013-03-31"


@pytest.mark.parametrize("options", [{}, {"live_seconds": 60.0}], ids=["by default", "at most"])
def test_what_is_live_is_looked_up_once_a_second(
    store: PredictionStore, server: RedisServer, clock: Clock, options: dict[str, float]
) -> None:
    seconds = [0.0]
    reader = Reader(server.url, JOB, clock=clock, monotonic=lambda: seconds[0], **options)
    first = publish(store, make_predictions(100))
    assert reader.get("parcel 0").generation == first.generation
    second = publish(store, make_predictions(100))
    seconds[0] = 0.99
    assert reader.get("parcel 0").generation == first.generation
    seconds[0] = 1.0
    assert reader.get("parcel 0").generation == second.generation


def test_a_miss_is_looked_at_again_with_a_fresh_live(store: PredictionStore, server: RedisServer, clock: Clock) -> None:
    reader = Reader(server.url, JOB, clock=clock, monotonic=lambda: 0.0)
    publish(store, make_predictions(100))
    assert reader.get("parcel 0").found
    second = publish(store, make_predictions(200, offset=0.25))
    answers = reader.get_many(["parcel 0", "parcel 150"])
    assert {answer.generation for answer in answers.values()} == {second.generation}
    assert answers["parcel 0"].value == 0.25


def test_a_generation_removed_under_a_reader_is_replaced(
    store: PredictionStore, server: RedisServer, clock: Clock
) -> None:
    reader = Reader(server.url, JOB, clock=clock, monotonic=lambda: 0.0)
    publish(store, make_predictions(100))
    reader.get("parcel 0")
    for _ in range(2):
        publish(store, make_predictions(100, offset=0.25))
        clock.advance(hours=1)
    assert store.prune(JOB)
    assert reader.get("parcel 0").value == 0.25


@pytest.mark.parametrize("decode", [True, False])
def test_a_client_that_the_application_has_will_do(store: PredictionStore, server: RedisServer, decode: bool) -> None:
    publish(store, {"Zürich": 0.5})
    with redis.Redis.from_url(server.url, decode_responses=decode) as client:
        reader = Reader(client, JOB)
        assert reader.get("Zürich").value == 0.5
        assert reader.status().states["live"] == 1
        reader.close()
        assert client.ping()


def test_a_redis_that_is_down_is_an_error_of_its_own(start_server: Callable[..., RedisServer], clock: Clock) -> None:
    server = start_server()
    publish(PredictionStore(server.url, clock), make_predictions(100))
    reader = Reader(server.url, JOB)
    assert reader.get("parcel 0").found
    server.stop()
    for read in (lambda: reader.get("parcel 0"), reader.status, reader.releases):
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{server.port}"):
            read()


def test_an_empty_redis_is_unhealthy_until_it_is_published_again(
    start_server: Callable[..., RedisServer], clock: Clock
) -> None:
    server = start_server()
    store = PredictionStore(server.url, clock)
    publish(store, make_predictions(100))
    reader = Reader(server.url, JOB)
    assert reader.get("parcel 0").found
    server.stop()
    server.start()
    with pytest.raises(Unhealthy, match="nothing is live"):
        reader.get("parcel 0")
    with pytest.raises(Unhealthy, match="nothing is live"):
        reader.get("parcel 0", partition=PARTITION)
    publish(store, make_predictions(100), known_token=1)
    assert reader.get("parcel 0").found


def test_a_missing_bucket_is_damage_and_no_missing_prediction(
    store: PredictionStore, reader: Reader, client: redis.Redis
) -> None:
    flip = publish(store, make_predictions(1000))
    header = store.header(JOB, flip.generation)
    assert header is not None
    client.delete(bucket_key(JOB, flip.generation, bucket_of("parcel 7", header.buckets)))
    with pytest.raises(Unhealthy, match="a bucket is gone"):
        reader.get("parcel 7")
    with pytest.raises(Unhealthy, match="a bucket is gone"):
        reader.get_many(make_predictions(1000))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda text: None, "a header is gone"),
        (lambda text: text[:-1], "cannot be read"),
        (lambda text: text.replace('"contract":1', '"contract":2'), "another version"),
        (lambda text: text.replace('"job":"parcels"', '"job":"letters"'), "a header is wrong"),
    ],
)
def test_a_spoilt_header_is_unhealthy(
    store: PredictionStore, reader: Reader, client: redis.Redis, spoil: Callable[[str], str | None], problem: str
) -> None:
    flip = publish(store, make_predictions(100))
    text = str(client.hget(LIVE, "header"))
    for key, field in ((LIVE, "header"), (HEADERS, flip.generation)):
        client.hdel(key, field)
        if (spoilt := spoil(text)) is not None:
            client.hset(key, field, spoilt)
    with pytest.raises(Unhealthy, match=problem):
        reader.get("parcel 0")
    with pytest.raises(Unhealthy, match=problem):
        reader.get("parcel 0", partition=PARTITION)


def test_a_spoilt_prediction_is_unhealthy(store: PredictionStore, reader: Reader, client: redis.Redis) -> None:
    flip = publish(store, {"a": 0.5})
    client.hset(bucket_key(JOB, flip.generation, 0), "a", "NaN of sorts")
    with pytest.raises(Unhealthy, match="no JSON"):
        reader.get("a")


def test_a_reader_needs_no_right_to_write(start_server: Callable[..., RedisServer], clock: Clock) -> None:
    server = start_server()
    publish(PredictionStore(server.url, clock), make_predictions(100))
    rules = ["~nightjar:*", "+hmget", "+hget", "+hgetall", "+exists", "+ping", "+hello"]
    reader = Reader(server.add_user("reader", *rules), JOB)
    assert reader.get("parcel 0").found
    assert not reader.get("stranger").found
    assert reader.get("parcel 0", partition=PARTITION).found
    assert reader.status().header.rows == 100
    assert len(reader.releases()) == 1


def test_what_a_reader_may_not_see_is_an_error(start_server: Callable[..., RedisServer], clock: Clock) -> None:
    server = start_server()
    publish(PredictionStore(server.url, clock), make_predictions(100))
    url = server.add_user("reader", "~other:*", "+@all")
    with pytest.raises(StoreUnavailable) as caught:
        Reader(url, JOB).get("parcel 0")
    assert "secret" not in str(caught.value)


def test_reading_while_generations_change_never_mixes_them(
    start_server: Callable[..., RedisServer], clock: Clock
) -> None:
    """Each generation holds one value for all entities; what two flips ago was live is removed at once."""
    server = start_server()
    store = PredictionStore(server.url, clock)
    names = [f"parcel {number}" for number in range(400)]
    publish(store, dict.fromkeys(names, 0))
    done = threading.Event()
    failures: list[str] = []
    reads = [0, 0]

    def read(place: int) -> None:
        reader = Reader(server.url, JOB, live_seconds=0.05 * place)
        newest = 0
        while not done.is_set() or not reads[place]:
            values = {(answer.generation, answer.value) for answer in reader.get_many(names[place::7]).values()}
            token = int(min(values)[0].split("-")[0])
            if len(values) != 1 or None in {value for _, value in values} or (place == 0 and token < newest):
                failures.append(str(values))
            newest = token
            reads[place] += 1

    def guard(place: int) -> None:
        try:
            read(place)
        except BaseException as error:
            failures.append(repr(error))
            raise

    threads = [threading.Thread(target=guard, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for number in range(1, 40):
        publish(store, dict.fromkeys(names, number))
        clock.advance(hours=1)
        store.prune(JOB, keep=1)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert min(reads) > 10
