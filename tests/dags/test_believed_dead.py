"""A publish freezes, a real scheduler believes it dead and tries it again: woken, it changes nothing that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from threading import Event
from typing import Any, cast

import psutil
import pytest
import redis
from pydantic import SecretStr

from pipeline import tasks
from pipeline.keyspace import State, bucket_key, live_key, partitions_key, states_key, token_of
from pipeline.local.processes import end_marked
from pipeline.serving import Reader
from pipeline.tasks import Workspace
from tests.dags.embedded import SECONDS, EmbeddedAirflow
from tests.dags.jobs.many_rides import JOB
from tests.stores.predictions.topologies import wait_until
from tests.tasks.nights import live_header, read_live, read_scores, run_night, train_model

pytestmark = pytest.mark.slow

DAG = f"nightly_scoring_{JOB.name}"
FIRST_DAY, TRAINED_ON, FIRST_NIGHT, LAST_DAY = date(2024, 5, 1), "2024-05-07", "2024-05-08", date(2024, 5, 11)
HEARTBEATS = {
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}
SAMPLE = [str(station) for station in range(1, 300_001, 1500)]
REFUSED = "generation {} was not made live; readers still see {}"
STOPPED_BY_AIRFLOW = "Server indicated the task shouldn't be running anymore. Terminating process"


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAirflow]:
    """A first night is live, and the champion and the deliveries of three more are there."""
    home = tmp_path_factory.mktemp("believed-dead")
    try:
        with closing(EmbeddedAirflow(home, "tests.dags.jobs.many_rides", HEARTBEATS)) as airflow:
            with open_workspace(airflow) as workspace:
                tasks.land_upstream(workspace, JOB, FIRST_DAY, LAST_DAY)
                train_model(workspace, JOB, TRAINED_ON)
                run_night(workspace, JOB, FIRST_NIGHT)
            airflow.start(DAG)
            yield airflow
    finally:
        end_marked(home)


@pytest.fixture
def workspace(airflow: EmbeddedAirflow) -> Iterator[Workspace]:
    """What Airflow's tasks work on."""
    with open_workspace(airflow) as workspace:
        yield workspace


@contextmanager
def open_workspace(airflow: EmbeddedAirflow) -> Iterator[Workspace]:
    settings = airflow.settings.model_copy(update={"mlflow_uri": SecretStr("")})
    workspace = tasks.open_workspace(settings)
    with closing(workspace.predictions):
        yield workspace


@pytest.fixture
def client(airflow: EmbeddedAirflow) -> Iterator[redis.Redis]:
    url = airflow.settings.redis_url.get_secret_value()
    with redis.Redis.from_url(url, decode_responses=True) as client:
        yield client


@dataclass(frozen=True)
class Frozen:
    """A publish that stands still in the middle of its load.

    Attributes:
        task: the process that publishes.
        supervisor: Airflow's process that starts it, writes its log and sends its heartbeats.
        generation: the one that it loads.
    """

    task: psutil.Process
    supervisor: psutil.Process
    generation: str

    def is_frozen(self) -> bool:
        return {self.task.status(), self.supervisor.status()} == {psutil.STATUS_STOPPED}


def freeze_publish(airflow: EmbeddedAirflow, run: str, client: redis.Redis) -> Frozen:
    """Stop the publish of a run once Redis has the first of its predictions."""
    begun_before = list_loading(client)
    task = airflow.find_worker(DAG, run, "publish")
    supervisor = cast("psutil.Process", task.parent())
    while not (begun := list_loading(client) - begun_before):
        assert task.is_running()
    (generation,) = begun
    while not client.exists(bucket_key(JOB.name, generation, 0)):
        assert task.is_running()
    task.suspend()
    supervisor.suspend()
    assert generation in list_loading(client)
    return Frozen(task, supervisor, generation)


def list_loading(client: redis.Redis) -> set[str]:
    states = cast("dict[str, str]", client.hgetall(states_key(JOB.name)))
    return {generation for generation, state in states.items() if state == State.LOADING}


@contextmanager
def keep_reading(airflow: EmbeddedAirflow) -> Iterator[list[list[Any]]]:
    """Read all the while, with readers that look up what is live every time and once a second.

    Yields:
        After the block, what each reader saw: the generation and its predictions, each time that they changed.
    """
    stop, sightings = Event(), list[list[Any]]()

    def read(live_seconds: float) -> list[Any]:
        seen: list[Any] = []
        with closing(Reader(airflow.settings.url_for_reading, JOB.name, live_seconds=live_seconds)) as reader:
            while not stop.wait(0.02):
                answers = reader.get_many(SAMPLE).values()
                now = {answer.generation for answer in answers}, [answer.value for answer in answers]
                if seen[-1:] != [now]:
                    seen.append(now)
        return seen

    with ThreadPoolExecutor() as threads:
        reading = [threads.submit(read, live_seconds) for live_seconds in (0.0, 1.0)]
        try:
            yield sightings
        finally:
            stop.set()
        sightings += [each.result() for each in reading]


def wake_the_task_alone(frozen: Frozen, client: redis.Redis) -> None:
    """Nobody stops it, so it ends its load and asks to go live."""
    frozen.task.resume()
    wait_until("it ends its load", lambda: frozen.generation not in list_loading(client), SECONDS)
    frozen.supervisor.resume()


def wake_both(frozen: Frozen, client: redis.Redis) -> None:
    """It goes on while its supervisor learns that it should not."""
    del client
    frozen.task.resume()
    frozen.supervisor.resume()


def wake_the_supervisor_alone(frozen: Frozen, client: redis.Redis) -> None:
    """It learns that the task should not run anymore, and kills it."""
    del client
    frozen.supervisor.resume()


@pytest.mark.parametrize(
    ("night", "wake", "endings"),
    [
        ("2024-05-09", wake_the_task_alone, [REFUSED]),
        ("2024-05-10", wake_both, [REFUSED, STOPPED_BY_AIRFLOW]),
        ("2024-05-11", wake_the_supervisor_alone, [STOPPED_BY_AIRFLOW]),
    ],
)
def test_a_publish_that_the_scheduler_believed_dead_changes_nothing(
    airflow: EmbeddedAirflow,
    workspace: Workspace,
    client: redis.Redis,
    night: str,
    wake: Callable[[Frozen, redis.Redis], None],
    endings: list[str],
) -> None:
    before = live_header(workspace, JOB).generation, list(read_live(workspace, JOB, SAMPLE).values())
    with keep_reading(airflow) as sightings:
        run = airflow.api.trigger(DAG, {"partition": night})
        frozen = freeze_publish(airflow, run, client)
        airflow.wait_for_success(DAG, run)
        assert frozen.is_frozen()
        pointers = [client.hgetall(key(JOB.name)) for key in (live_key, partitions_key)]
        wake(frozen, client)
        wait_until("it ends", lambda: not frozen.task.is_running(), SECONDS)
        wait_until("its worker is free", lambda: "<idle>" in " ".join(frozen.supervisor.cmdline()), SECONDS)
        airflow.wait_for_scheduler()
    successor = live_header(workspace, JOB)
    assert successor.token > cast("int", token_of(frozen.generation))
    assert [client.hgetall(key(JOB.name)) for key in (live_key, partitions_key)] == pointers
    log = "\n".join(airflow.api.read_log(DAG, run, {"task_id": "publish", "try_number": 1}))
    assert any(ending.format(frozen.generation, successor.generation) in log for ending in endings), log
    scores = check_released(workspace, night, run, successor.generation)
    after = successor.generation, [scores[station] for station in SAMPLE]
    assert before[1] != after[1]
    assert sightings == [[({generation}, values) for generation, values in (before, after)]] * 2
    check_airflow(airflow, run, successor.generation)


def check_released(workspace: Workspace, night: str, run: str, generation: str) -> dict[str, float]:
    """The lake says that the night ended with this generation, and Redis has all that was scored, which is returned."""
    stages = {record["stage"]: record for record in tasks.read_run(workspace, JOB, night, run)["stages"]}
    assert stages["publish"]["state"] == "success"
    assert stages["publish"]["generation"] == generation
    released = [event.generation for event in workspace.release_log(JOB).events() if event.partition == night]
    assert released == [generation]
    scores = read_scores(workspace, JOB, stages["score"])
    assert read_live(workspace, JOB, list(scores)) == scores
    return scores


def check_airflow(airflow: EmbeddedAirflow, run: str, generation: str) -> None:
    """Airflow shows a first attempt without heartbeats, and a second one that made this generation live."""
    path = f"dags/{DAG}/dagRuns/{run}/taskInstances/publish"
    tries = airflow.get(f"{path}/tries")["task_instances"]
    assert sorted((each["try_number"], each["state"]) for each in tries) == [(1, "failed"), (2, "success")]
    (lost,) = airflow.get("eventLogs", dag_id=DAG, run_id=run, event="heartbeat timeout")["event_logs"]
    assert (lost["task_id"], lost["try_number"]) == ("publish", 1)
    returned = airflow.get(f"{path}/xcomEntries/return_value")["value"]
    assert (returned["generation"], returned["result"]) == (generation, "live")
    assert airflow.api.read_run(DAG, run)["state"] == "success"
    assert {task["state"] for task in airflow.api.list_tasks(DAG, run)} == {"success"}
