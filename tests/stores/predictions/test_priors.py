"""Priors travel with the predictions of a load, and are like them."""

from __future__ import annotations

import pytest
import redis

from pipeline.errors import BadInputError
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.samples import JOB, PARTITION, make_header, make_predictions, make_table, split


def test_priors_wait_for_the_shards_that_are_still_on_their_way(store: PredictionStore, client: redis.Redis) -> None:
    """A wire is one conversation: two threads on it would wait for each other's replies."""
    predictions = make_predictions(100_000)
    with store.begin(JOB, PARTITION, len(predictions), 4) as load:
        for shard in split(predictions, 4):
            load.send(shard)
        load.send_priors({"": 0.5})
        assert load.read_back() == len(predictions)
        load.seal(make_header(load))
    assert client.hgetall(f"nightjar:{JOB}:{load.generation}:prior") == {"": "0.5"}


def test_priors_of_more_parts_than_a_prediction_are_refused(store: PredictionStore, client: redis.Redis) -> None:
    load = store.begin(JOB, PARTITION, 100, 1)
    load.send(make_table(make_predictions(100)))
    load.send_priors({"": [0.5, 0.1]})
    with pytest.raises(BadInputError, match="priors are not like predictions") as refused:
        load.read_back()
    assert (refused.value.expected, refused.value.found) == ("1 parts", "2")
    assert not client.keys(f"nightjar:{JOB}:{load.generation}:*")
