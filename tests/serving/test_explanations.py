"""Readers tell why a prediction is what it is, or plainly that they are not told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import redis

from pipeline.errors import BadInputError
from pipeline.keyspace import bucket_key, bucket_of, reasons_key
from pipeline.serving import Unhealthy
from pipeline.serving.explanations import find_reasons
from pipeline.serving.lookups import Lookups
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.load import Load
from tests.serving.readers import AnyReader
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, publish, send_all, split
from tests.stores.predictions.topologies import Cluster

PREDICTIONS = make_predictions(1000)
HIGHEST = list(PREDICTIONS)[-200:]
PAIRS = (("weight", 0.25), ("größe", -0.125))
REASONS = dict.fromkeys(HIGHEST, json.dumps(PAIRS))


def publish_explained(
    store: PredictionStore, reasons: Mapping[str, str] = REASONS, priors: Mapping[str, float] | None = None
) -> Load:
    with store.begin(JOB, PARTITION, len(PREDICTIONS), 4) as load:
        if priors is not None:
            load.send_priors(priors)
        load.send_reasons(reasons)
        send_all(load, split(PREDICTIONS, 4))
        load.seal(make_header(load))
    store.flip(JOB, load.generation, load.token)
    return load


def test_the_reasons_of_a_prediction_come_with_it(store: PredictionStore, reader: AnyReader) -> None:
    publish_explained(store)
    answer = reader.reasons("parcel 999")
    assert (answer.state, answer.reasons) == ("explained", PAIRS)
    assert answer.prediction == reader.get("parcel 999")
    assert reader.reasons("parcel 999", partition=PARTITION) == answer


def test_answers_come_in_the_order_asked_for_and_say_why_there_are_none(
    store: PredictionStore, reader: AnyReader
) -> None:
    publish_explained(store)
    answers = reader.reasons_many(["stranger", "parcel 999", "parcel 1", "parcel 900"])
    assert {name: answer.state for name, answer in answers.items()} == {
        "stranger": "not_in_population",
        "parcel 999": "explained",
        "parcel 1": "not_among_highest",
        "parcel 900": "explained",
    }
    assert list(answers) == ["stranger", "parcel 999", "parcel 1", "parcel 900"]
    assert not answers["parcel 1"].reasons
    assert answers["parcel 1"].prediction.value == PREDICTIONS["parcel 1"]


def test_a_prior_has_no_reasons(store: PredictionStore, reader: AnyReader) -> None:
    publish_explained(store, priors={"": 0.2, "large": 0.4})
    answer = reader.reasons_many(["stranger"], segments={"stranger": "large"})["stranger"]
    assert (answer.prediction.value, answer.prediction.source, answer.state) == (0.4, "prior", "not_in_population")


def test_a_generation_without_reasons_says_so(store: PredictionStore, reader: AnyReader) -> None:
    publish(store, PREDICTIONS)
    answer = reader.reasons("parcel 1")
    assert (answer.prediction.source, answer.state, answer.reasons) == ("fresh", "none_made", ())


def test_an_answer_is_a_json_object(store: PredictionStore, reader: AnyReader) -> None:
    publish_explained(store)
    told = json.loads(json.dumps(reader.reasons("parcel 999").to_json()))
    assert (told["entity_id"], told["value"], told["found"]) == ("parcel 999", PREDICTIONS["parcel 999"], True)
    assert (told["explained"], told["reasons"]) == ("explained", [list(pair) for pair in PAIRS])


def test_what_cannot_be_an_id_is_refused(store: PredictionStore, reader: AnyReader) -> None:
    publish_explained(store)
    with pytest.raises(BadInputError):
        reader.reasons("")


def test_a_cluster_tells_the_same(cluster: Cluster, clock: Clock, open_reader: Any) -> None:
    store = PredictionStore(cluster.url, clock)
    publish_explained(store)
    answers = open_reader(cluster.url).reasons_many(HIGHEST)
    assert {answer.reasons for answer in answers.values()} == {PAIRS}
    store.close()


def test_a_lost_hash_of_reasons_is_damage_and_predictions_are_read_all_the_same(
    store: PredictionStore, reader: AnyReader, client: redis.Redis
) -> None:
    load = publish_explained(store)
    header = store.header(JOB, load.generation)
    assert header is not None
    client.delete(reasons_key(JOB, load.generation, bucket_of("parcel 999", header.reason_buckets)))
    with pytest.raises(Unhealthy, match="a hash of reasons is gone"):
        reader.reasons("parcel 999")
    assert reader.get("parcel 999").value == PREDICTIONS["parcel 999"]


def test_a_lost_bucket_is_damage_here_too(store: PredictionStore, reader: AnyReader, client: redis.Redis) -> None:
    load = publish_explained(store)
    client.delete(bucket_key(JOB, load.generation, bucket_of("parcel 7", load.buckets or 0)))
    with pytest.raises(Unhealthy, match="a bucket is gone"):
        reader.reasons("parcel 7")


def test_an_erased_entity_has_none(store: PredictionStore, reader: AnyReader) -> None:
    publish_explained(store)
    store.erase_entity(JOB, "parcel 999")
    assert reader.reasons("parcel 999").state == "not_in_population"
    assert reader.reasons("parcel 998").state == "explained"


def test_a_generation_that_is_replaced_in_between_is_looked_up_again(
    store: PredictionStore, client: redis.Redis, clock: Clock
) -> None:
    """Its hash of reasons goes after its prediction was read: that is no damage, the next generation answers."""
    first = publish_explained(store)
    lookups = Lookups(JOB, address=lambda: "", clock=clock, live_seconds=0, monotonic=lambda: 0.0)
    steps = find_reasons(lookups, ["parcel 999"], {}, None)
    replies, second = None, None
    while True:
        try:
            commands = steps.send(replies)
        except StopIteration as end:
            answer = end.value["parcel 999"]
            break
        if second is None and any(":reasons:" in command[1] for command in commands):
            second = publish_explained(store, dict.fromkeys(HIGHEST, "[]"))
            client.delete(*client.keys(f"nightjar:{JOB}:{first.generation}:*"))
        replies = [client.execute_command(*command) for command in commands]  # type: ignore[no-untyped-call]
    assert second is not None
    assert (answer.prediction.generation, answer.state, answer.reasons) == (second.generation, "explained", ())
