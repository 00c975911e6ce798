"""What a job serves, for people."""

from __future__ import annotations

import json

import pytest

from pipeline.serving import Reader, Unhealthy
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import JOB, PARTITION, make_predictions, publish
from tests.stores.predictions.server import RedisServer


def test_status_tells_what_is_live_and_how_old_it_is(store: PredictionStore, server: RedisServer, clock: Clock) -> None:
    publish(store, make_predictions(100), "2013-03-31")
    flip = publish(store, make_predictions(100))
    store.begin(JOB, PARTITION, 10, 1)
    status = Reader(server.url, JOB, clock=clock).status()
    told = json.loads(json.dumps(status.to_json()))
    assert told["generation"] == flip.generation
    assert told["token"] == status.token == 2
    assert (told["partition"], told["rows"], told["model_version"]) == (PARTITION, 100, "7")
    assert (told["age_seconds"], told["stale"]) == (5400, False)
    assert told["states"] == {"loading": 1, "verified": 0, "live": 1, "retired": 1, "rejected": 0}


def test_status_says_when_it_is_stale(store: PredictionStore, server: RedisServer, clock: Clock) -> None:
    publish(store, make_predictions(100), max_age_seconds=60)
    assert Reader(server.url, JOB, clock=clock).status().stale


def test_status_of_a_job_that_never_published_is_unhealthy(server: RedisServer) -> None:
    with pytest.raises(Unhealthy, match="nothing is live"):
        Reader(server.url, JOB).status()


def test_releases_are_listed_newest_first(store: PredictionStore, server: RedisServer) -> None:
    first = publish(store, make_predictions(100))
    second = publish(store, make_predictions(100))
    loading = store.begin(JOB, PARTITION, 10, 1)
    releases = Reader(server.url, JOB).releases()
    assert [(item.generation, item.state, item.newest) for item in releases] == [
        (loading.generation, "loading", False),
        (second.generation, "live", True),
        (first.generation, "retired", False),
    ]
    assert releases[0].header is None
    assert releases[1].header == store.header(JOB, second.generation)
    assert json.loads(json.dumps(releases[1].to_json()))["header"]["rows"] == 100
    assert [item.pin for item in releases] == [None] * 3
    assert Reader(server.url, "letters").releases() == []


def test_a_release_says_who_wants_it_kept(store: PredictionStore, server: RedisServer, clock: Clock) -> None:
    pinned = publish(store, make_predictions(100)).generation
    publish(store, make_predictions(100))
    store.pin(JOB, pinned, "Jane Doe", "for the auditors")
    live, kept = Reader(server.url, JOB).releases()
    assert live.pin is None
    assert kept.pin == {"who": "Jane Doe", "why": "for the auditors", "at": clock().isoformat()}
    assert json.loads(json.dumps(kept.to_json()))["pin"] == kept.pin
