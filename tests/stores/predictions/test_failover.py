"""Masters that are replaced: by sentinels in the middle of a load and of reading, with and without the last writes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import NightjarError, UnavailableError
from pipeline.keyspace import token_of
from pipeline.serving import AsyncReader, Prediction, Reader, StoreUnavailable, Unhealthy
from pipeline.stores.predictions import PredictionStore, masters
from tests.stores.predictions.conftest import Clock
from tests.stores.predictions.samples import (
    JOB,
    PARTITION,
    load_generation,
    make_header,
    make_predictions,
    publish,
    send_all,
    split,
)
from tests.stores.predictions.server import RedisServer
from tests.stores.predictions.topologies import Watched, wait_until

NAMES = [f"parcel {number}" for number in range(20_000)]
READ = NAMES[:700]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A master, a replica and three sentinels."""
    watched = Watched(tmp_path)
    yield watched
    watched.stop()


class Observer:
    """Reads all the time, and keeps what was not whole."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.wrong: list[str] = []
        self.reads = self.unavailable = 0
        self.values: list[float] = []

    def take(self, answers: dict[str, Prediction]) -> None:
        """Every generation holds one value for all entities."""
        found = {(answer.generation, answer.value, answer.source) for answer in answers.values()}
        if len(found) != 1 or None in {value for _, value, _ in found}:
            self.wrong.append(str(found))
        self.values.append(found.pop()[1])
        self.reads += 1

    def read(self, reader: Reader) -> None:
        while not self.done.is_set():
            try:
                self.take(reader.get_many(READ))
            except StoreUnavailable:
                self.unavailable += 1
            except NightjarError as error:
                self.wrong.append(repr(error))
        reader.close()

    async def read_async(self, reader: AsyncReader) -> None:
        while not self.done.is_set():
            try:
                self.take(await reader.get_many(READ))
            except StoreUnavailable:
                self.unavailable += 1
            except NightjarError as error:
                self.wrong.append(repr(error))
        await reader.close()


@pytest.fixture
def observe() -> Iterator[Callable[[str], list[Observer]]]:
    """Let a blocking and an awaiting reader look all the time."""
    observers: list[Observer] = []
    threads: list[threading.Thread] = []

    def start(url: str) -> list[Observer]:
        blocking, awaiting = Observer(), Observer()
        observers.extend([blocking, awaiting])
        # Whatever an application keeps open must get over a failover: one reader for all of it.
        threads.append(threading.Thread(target=blocking.read, args=(Reader(url, JOB, live_seconds=0),)))
        run = lambda: asyncio.run(awaiting.read_async(AsyncReader(url, JOB)))  # noqa: E731
        threads.append(threading.Thread(target=run))
        for thread in threads:
            thread.start()
        return observers

    yield start
    for observer in observers:
        observer.done.set()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_a_master_that_dies_in_a_load_is_replaced_for_publisher_and_readers(
    watched: Watched, clock: Clock, observe: Callable[[str], list[Observer]]
) -> None:
    store = PredictionStore(watched.url, clock)
    publish(store, dict.fromkeys(NAMES, 0.25))
    observers = observe(watched.url)
    wait_until("both have read", lambda: min(observer.reads for observer in observers) > 0)
    load = store.begin(JOB, PARTITION, len(NAMES), 4)
    shards = split(dict.fromkeys(NAMES, 0.75), 4)
    load.send(shards[0])
    old = watched.master
    old.stop()
    with pytest.raises(UnavailableError, match=r"broke|does not answer"):
        send_all(load, shards[1:])
    watched.wait_for_another_master(old)
    again = publish(store, dict.fromkeys(NAMES, 0.5), known_token=load.token)
    assert (token_of(again.generation) or 0) > load.token
    wait_until(
        "both read the new one", lambda: all(observer.values[-1] == 0.5 or observer.wrong for observer in observers)
    )
    assert [observer.wrong for observer in observers] == [[], []]
    assert all(observer.unavailable for observer in observers)
    assert all(set(observer.values) == {0.25, 0.5} for observer in observers)


def test_a_failover_after_reading_back_keeps_the_load_from_being_sealed(watched: Watched, clock: Clock) -> None:
    """The new master knows of the load, and perhaps not of all its data: it is not the one that was read back."""
    store = PredictionStore(watched.url, clock)
    served = publish(store, make_predictions(1000))
    load = store.begin(JOB, PARTITION, len(NAMES), 4)
    send_all(load, split(dict.fromkeys(NAMES, 0.5), 4))
    old = watched.master
    watched.hand_over()
    watched.wait_for_another_master(old)
    store._client.connection_pool.disconnect(inuse_connections=False)  # as the old master does when it steps down
    with pytest.raises(UnavailableError, match="failed over"):
        load.seal(make_header(load))
    live = store.live(JOB)
    assert live is not None
    assert live.generation == served.generation
    assert publish(store, make_predictions(1000, offset=0.25)).result == "live"


def test_a_failover_that_lost_the_last_release_is_noticed_until_it_is_published_again(
    watched: Watched, clock: Clock
) -> None:
    store = PredictionStore(watched.url, clock)
    publish(store, dict.fromkeys(NAMES, 0.25))
    watched.cut_replication()
    lost = publish(store, dict.fromkeys(NAMES, 0.5))
    reader = Reader(watched.url, JOB, live_seconds=0)
    assert reader.get("parcel 1").value == 0.5
    old = watched.master
    old.stop()
    watched.wait_for_another_master(old)
    for _ in range(2):
        with pytest.raises(Unhealthy, match="went back in time"):
            reader.get_many(READ)
    assert Reader(watched.url, JOB).get("parcel 1").value == 0.25, "who never saw the lost one gets the one before"
    again = publish(store, dict.fromkeys(NAMES, 0.5), known_token=token_of(lost.generation) or 0)
    assert (token_of(again.generation) or 0) > (token_of(lost.generation) or 0)
    assert {answer.value for answer in reader.get_many(READ).values()} == {0.5}


def test_what_a_replica_does_not_have_is_not_sealed(
    start_server: Callable[..., RedisServer], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = start_server("--repl-diskless-sync-delay", "0")
    replica = start_server("--replicaof", "127.0.0.1", str(master.port))
    wait_until("the replica is in step", lambda: len(master.client.role()[2]) == 1)
    store = PredictionStore(master.url, clock)
    load_generation(store, make_predictions(1000))
    load = store.begin(JOB, PARTITION, 1000, 1)
    load.send(split(make_predictions(1000), 1)[0])
    replica.stop()
    monkeypatch.setattr(masters, "_WAIT_SECONDS", 0.2)
    with pytest.raises(UnavailableError, match="replicas of Redis"):
        load.read_back()
    assert not list(master.client.scan_iter(f"nightjar:{JOB}:{load.generation}:*"))
