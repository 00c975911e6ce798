"""Publishing to a Redis Cluster of three real masters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import DamagedError, UnavailableError
from pipeline.keyspace import MAX_REASONS, bucket_key, live_key, prior_key, reasons_key
from pipeline.serving import Reader
from pipeline.stores.predictions import PredictionStore
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import (
    JOB,
    PARTITION,
    make_header,
    make_predictions,
    publish,
    send_all,
    split,
)
from tests.stores.predictions.topologies import Cluster, wait_until

PREDICTIONS = make_predictions(20_000)
PRIORS = {"": 0.2, "small": 0.1, "large": 0.4}


@pytest.fixture
def spread(cluster: Cluster, clock: Clock) -> Iterator[PredictionStore]:
    """A store on the cluster."""
    store = PredictionStore(cluster.url, clock)
    yield store
    store.close()


@pytest.fixture
def start_cluster(tmp_path: Path) -> Iterator[Callable[[], Cluster]]:
    """Start a cluster of the test's own."""
    clusters: list[Cluster] = []

    def start() -> Cluster:
        folder = tmp_path / f"cluster{len(clusters)}"
        folder.mkdir()
        clusters.append(Cluster(folder))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.stop()


def test_a_generation_is_spread_over_all_masters_and_served_whole(spread: PredictionStore, cluster: Cluster) -> None:
    flip = publish(spread, PREDICTIONS)
    header = spread.header(JOB, flip.generation)
    assert header is not None
    shares = cluster.count_keys(f"nightjar:{JOB}:{flip.generation}:*")
    assert sum(shares) == header.buckets
    assert min(shares) > header.buckets / 5
    reader = Reader(cluster.url, JOB)
    assert {name: answer.value for name, answer in reader.get_many(PREDICTIONS).items()} == PREDICTIONS
    reader.close()


def test_what_is_read_back_comes_from_every_master(spread: PredictionStore, cluster: Cluster) -> None:
    for number, server in enumerate(cluster.servers):
        load = spread.begin(JOB, PARTITION, len(PREDICTIONS), 4)
        for table in split(PREDICTIONS, 4):
            load.send(table)
        load._shipment.finish_sending()
        key = str(next(server.client.scan_iter(f"nightjar:{JOB}:{load.generation}:*")))
        server.client.hset(key, "stranger", str(number))
        with pytest.raises(DamagedError, match="not what was sent"):
            load.read_back()
        assert cluster.count_keys(f"nightjar:{JOB}:{load.generation}:*") == [0, 0, 0]


def test_priors_lie_beside_the_predictions(spread: PredictionStore, cluster: Cluster) -> None:
    with spread.begin(JOB, PARTITION, len(PREDICTIONS), 4) as load:
        load.send_priors(PRIORS)
        send_all(load, split(PREDICTIONS, 4))
        load.seal(make_header(load))
    key = prior_key(JOB, load.generation)
    found = cluster.server_of(key).client.hgetall(key)
    assert {segment: json.loads(text) for segment, text in found.items()} == PRIORS


def test_reasons_spread_over_the_masters_and_go_with_their_entity(spread: PredictionStore, cluster: Cluster) -> None:
    reasons = dict.fromkeys(list(PREDICTIONS)[:MAX_REASONS], '[["weight",0.5]]')
    with spread.begin(JOB, PARTITION, len(PREDICTIONS), 4) as load:
        load.send_reasons(reasons)
        send_all(load, split(PREDICTIONS, 4))
        header = make_header(load)
        load.seal(header)
    keys = [reasons_key(JOB, load.generation, number) for number in range(header.reason_buckets)]
    assert len({cluster.server_of(key).url for key in keys}) > 1
    spread.erase_entity(JOB, next(iter(reasons)))
    found = {name: text for key in keys for name, text in cluster.server_of(key).client.hgetall(key).items()}
    assert found == dict(list(reasons.items())[1:])


def test_generations_are_pruned_from_every_master(spread: PredictionStore, cluster: Cluster, clock: Clock) -> None:
    first = publish(spread, PREDICTIONS)
    for _ in range(2):
        publish(spread, PREDICTIONS)
        clock.advance(hours=1)
    assert spread.prune(JOB) == [first.generation]
    assert cluster.count_keys(f"nightjar:{JOB}:{first.generation}:*") == [0, 0, 0]


def test_an_erasure_reaches_buckets_and_header_on_their_masters(spread: PredictionStore) -> None:
    generation = publish(spread, make_predictions(1000)).generation
    going = [f"parcel {number}" for number in range(20)]
    for entity_id in going:
        assert [holding.generation for holding in spread.erase_entity(JOB, entity_id)] == [generation]
    header = spread.header(JOB, generation)
    assert header is not None
    left = [entity_id for ids, _ in spread.read_generation(JOB, header) for entity_id in ids]
    assert (header.rows, len(left)) == (980, 980)
    assert not set(going) & set(left)


def test_flips_and_rollbacks_are_one_step_in_the_slot_of_the_control_keys(spread: PredictionStore) -> None:
    first = publish(spread, make_predictions(1000))
    second = publish(spread, make_predictions(1000, offset=0.25))
    assert spread.rollback(JOB, None, who="Jane Doe", why="wrong fares").generation == first.generation
    live = spread.live(JOB)
    assert live is not None
    assert (live.generation, live.token) == (first.generation, 3)
    assert {item.name: item.state for item in spread.generations(JOB)}[second.generation] == "rejected"


@pytest.mark.parametrize("holds_control_keys", [True, False])
def test_a_master_that_dies_in_a_load_stops_it_and_the_retry_publishes(
    start_cluster: Callable[[], Cluster], clock: Clock, holds_control_keys: bool
) -> None:
    cluster = start_cluster()
    control = cluster.server_of(live_key(JOB))
    victim = next(server for server in cluster.servers if (server is control) == holds_control_keys)
    store = PredictionStore(cluster.url, clock)
    shards = split(PREDICTIONS, 4)
    load = store.begin(JOB, PARTITION, len(PREDICTIONS), 4)
    load.send(shards[0])
    victim.stop()
    with pytest.raises(UnavailableError, match=r"broke|does not answer|not whole"):
        send_all(load, shards[1:])
    victim.start()
    wait_until("the cluster is whole", cluster.is_whole)
    again = publish(PredictionStore(cluster.url, clock), PREDICTIONS, known_token=load.token)
    assert again.generation != load.generation
    reader = Reader(cluster.url, JOB)
    assert {name: answer.value for name, answer in reader.get_many(PREDICTIONS).items()} == PREDICTIONS


@pytest.mark.parametrize("holds_data", [True, False])
def test_slots_that_move_during_a_load_stop_it_and_the_retry_publishes(
    start_cluster: Callable[[], Cluster], clock: Clock, holds_data: bool
) -> None:
    """Even those that hold nothing of it: who moves slots may be about to move more."""
    cluster = start_cluster()
    store = PredictionStore(cluster.url, clock)
    served = publish(store, make_predictions(1000))
    load = store.begin(JOB, PARTITION, len(PREDICTIONS), 4)
    shards = split(PREDICTIONS, 4)
    load.send(shards[0])
    cluster.move_slot(bucket_key(JOB, load.generation, 0) if holds_data else "any other")
    with pytest.raises(UnavailableError, match="slots"):
        send_all(load, shards[1:])
    live = store.live(JOB)
    assert live is not None
    assert live.generation == served.generation
    assert cluster.count_keys(f"nightjar:{JOB}:{load.generation}:*") == [0, 0, 0]
    publish(store, PREDICTIONS)
    assert Reader(cluster.url, JOB).get("parcel 19999").value == PREDICTIONS["parcel 19999"]
