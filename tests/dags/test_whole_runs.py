"""Both DAGs of the job ``rides``, run whole: a real lake, a real Redis, real contracts and a real model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline import tasks
from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.serving import Reader
from pipeline.settings import Settings
from tests.dags.jobs.rides import JOB
from tests.dags.scheduler import Scheduler, at_midnight
from tests.stores.predictions.conftest import server, shared_server
from tests.stores.predictions.server import RedisServer

__all__ = ["server", "shared_server"]

NIGHTLY = "nightly_scoring_rides"
RETRAINING = "retraining_rides"
STAGES = ["resolve_partition", "wait_for_deliveries", "ingest", "validate", "build_features", "score", "publish"]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the deliveries of two weeks."""
    home = tmp_path_factory.mktemp("landed")
    workspace = tasks.open_workspace(settings_of(home))
    tasks.land_upstream(workspace, JOB, date(2024, 5, 1), date(2024, 5, 15))
    return home


@pytest.fixture(scope="module")
def trained(landed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same lake with a champion for the nights from 2024-05-11 on."""
    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(landed, home)
    train(home, JOB)
    return home


@pytest.fixture
def use_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: RedisServer) -> Callable[[Path], None]:
    """Work on a copy of a home, with an empty Redis."""

    def use(home: Path) -> None:
        shutil.copytree(home, tmp_path / "home")
        monkeypatch.setenv("NIGHTJAR_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("NIGHTJAR_REDIS_URL", server.url)
        monkeypatch.setenv("NIGHTJAR_PARALLEL", "inline")

    return use


@pytest.fixture
def reader(server: RedisServer) -> Iterator[Reader]:
    reader = Reader(server.url, "rides")
    yield reader
    reader.close()


def train(home: Path, job: Job) -> None:
    """Make a champion for the nights from 2024-05-11 on."""
    workspace = tasks.open_workspace(settings_of(home))
    summary = tasks.snapshot(workspace, job, "2024-05-10", "tests")
    for stage in (tasks.train, tasks.evaluate, tasks.promote):
        summary = stage(workspace, job, "2024-05-10", "tests", summary)


def settings_of(home: Path) -> Settings:
    return Settings.from_environment({"NIGHTJAR_HOME": str(home), "NIGHTJAR_PARALLEL": "inline"})


def run_nights(scheduler: Scheduler, first: str, last: str) -> dict[str, dict[str, Any]]:
    """Backfill the days and run every task of their runs; what each publish returned, by partition."""
    body = {"dag_id": NIGHTLY, "from_date": at_midnight(first), "to_date": at_midnight(last)}
    answer = scheduler.rest.post("/api/v2/backfills", json={**body, "reprocess_behavior": "completed"})
    assert answer.status_code == 200, answer.text
    published = {}
    for run in scheduler.list_runs(NIGHTLY):
        if run.state != "queued":
            continue
        outcomes = {stage: scheduler.run_task(run, stage) for stage in STAGES}
        assert {state for state, _ in outcomes.values()} == {"success"}
        published[outcomes["resolve_partition"][1]] = outcomes["publish"][1] | {
            "output": outcomes["score"][1]["output"]
        }
    scheduler.end_backfills()
    scheduler.end_runs(NIGHTLY)
    return published


def test_a_training_and_a_night_leave_verified_predictions(
    scheduler: Scheduler, use_home: Callable[[Path], None], landed: Path, reader: Reader
) -> None:
    use_home(landed)
    training = scheduler.dags[RETRAINING].test(logical_date=None, run_conf={"partition": "2024-05-10"})
    assert training.state == "success"
    night = scheduler.dags[NIGHTLY].test(logical_date=None, run_conf={"partition": "2024-05-11"})
    assert night.state == "success"
    prediction = reader.get("7")
    assert prediction.found
    assert prediction.partition == "2024-05-11"
    assert prediction.model_version == "1"


def test_days_may_be_backfilled_in_any_order_and_again(
    scheduler: Scheduler, use_home: Callable[[Path], None], trained: Path, reader: Reader
) -> None:
    """An older day is kept and readable by its date, but never becomes live over a newer one."""
    use_home(trained)
    newest = run_nights(scheduler, "2024-05-13", "2024-05-13")["2024-05-13"]
    older = run_nights(scheduler, "2024-05-11", "2024-05-12")
    assert list(older) == ["2024-05-11", "2024-05-12"]
    live, of_an_older_day = reader.get("7"), reader.get("7", partition="2024-05-12")
    assert live.partition == "2024-05-13"
    assert of_an_older_day.partition == "2024-05-12"
    again = run_nights(scheduler, "2024-05-11", "2024-05-13")
    assert {day: night["output"] for day, night in again.items()} == {
        "2024-05-11": older["2024-05-11"]["output"],
        "2024-05-12": older["2024-05-12"]["output"],
        "2024-05-13": newest["output"],
    }
    assert reader.get("7").value == live.value
    assert reader.get("7", partition="2024-05-12").value == of_an_older_day.value


def test_a_night_that_fails_leaves_the_old_predictions_live(
    scheduler: Scheduler, use_home: Callable[[Path], None], trained: Path, reader: Reader
) -> None:
    """Of 2024-05-20 nothing was delivered, and its deadline is past."""
    use_home(trained)
    run_nights(scheduler, "2024-05-11", "2024-05-11")
    before = reader.get("7")
    failed = scheduler.dags[NIGHTLY].test(logical_date=None, run_conf={"partition": "2024-05-20"})
    assert failed.state == "failed"
    after = reader.get("7")
    assert (after.value, after.generation, after.partition) == (before.value, before.generation, "2024-05-11")


def test_a_night_before_any_champion_fails_and_says_to_train_one(
    scheduler: Scheduler,
    use_home: Callable[[Path], None],
    landed: Path,
    reader: Reader,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use_home(landed)
    night = scheduler.dags[NIGHTLY].test(logical_date=None, run_conf={"partition": "2024-05-11"})
    assert night.state == "failed"
    assert "task=score" in caplog.text
    with pytest.raises(NightjarError):
        reader.get("7")
