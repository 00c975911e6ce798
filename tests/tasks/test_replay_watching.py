"""A watched replay: what monitoring would have seen of the nights of one policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.job import Job, Monitoring
from pipeline.settings import Settings
from pipeline.tasks import Workspace, open_workspace, replay
from pipeline.tasks.replaying.policies import Policy
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB
from tests.tasks.conftest import NO_REDIS, copy_home

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 8)
REPLAYED_AT = datetime(2024, 3, 10, 12, tzinfo=UTC)
OFTEN = Policy("often", "every other day, whatever it is worth", every=2, gate=False)


@pytest.fixture(scope="module")
def job() -> Job:
    """The second job without suites, which take most of the time, and with limits that few nights are enough for."""
    sources = tuple(source.model_copy(update={"suite": None}) for source in JOB.sources)
    watched = Monitoring(history=14, minimum=7, false_alarms=0.3)
    return JOB.model_copy(update={"sources": sources, "monitoring": watched})


@pytest.fixture(scope="module")
def watched_home(landed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the landed deliveries, for the one replay that all tests look at."""
    home = tmp_path_factory.mktemp("watched") / "home"
    shutil.copytree(landed_home, home)
    return home


@pytest.fixture(scope="module")
def report(watched_home: Path, job: Job) -> dict[str, Any]:
    """Of that replay, once it is done."""
    return watch(open_workspace(make_settings(watched_home, NO_REDIS), Clock(REPLAYED_AT)), job)


@pytest.fixture
def workspace(report: dict[str, Any], watched_home: Path, settings: Settings) -> Iterator[Workspace]:
    """What the replay has left."""
    yield from copy_home(watched_home, settings, Clock(REPLAYED_AT))


def watch(workspace: Workspace, job: Job) -> dict[str, Any]:
    return replay(workspace, job, FIRST, LAST, [OFTEN], watch=OFTEN.name)


def without_seconds(watched: dict[str, Any]) -> dict[str, Any]:
    return {**watched, "nights": [{**night, "seconds": None} for night in watched["nights"]]}


def test_every_night_is_seen_as_the_model_that_served_it_scored_it(report: dict[str, Any]) -> None:
    nights = report["watched"]["nights"]
    assert [night["partition"] for night in nights] == [f"2024-03-0{day}" for day in range(1, 9)]
    assert len({night["model_version"] for night in nights}) == 4
    for night in nights:
        assert {"inputs.drift", "outputs.mean"} <= {signal["name"] for signal in night["signals"]}
        assert night["rows"] == night["outputs"]["rows"] == sum(night["outputs"]["distribution"]["counts"])


def test_limits_are_learnt_from_the_nights_before(report: dict[str, Any]) -> None:
    """But for the two that are judged along with a night."""
    nights = report["watched"]["nights"]
    known = [signal["nights"] for night in nights for signal in night["signals"] if signal["name"] == "outputs.mean"]
    assert known == [0, 0, 0, 1, 2, 3, 4, 5]


def test_nights_are_graded_as_the_replay_grades_them(report: dict[str, Any]) -> None:
    graded = [night["graded"] for night in report["watched"]["nights"] if night["graded"] is not None]
    week = report["policies"][OFTEN.name]["weeks"][0]
    assert sum(night["labelled"] for night in graded[:7]) == week["rows"]
    squares = [night["labelled"] * night["metrics"]["rmse"] ** 2 for night in graded[:7]]
    assert (sum(squares) / week["rows"]) ** 0.5 == pytest.approx(week["rmse"], abs=1e-5)


def test_a_second_watch_sees_the_same_and_raises_nothing_twice(
    report: dict[str, Any], workspace: Workspace, job: Job
) -> None:
    assert without_seconds(watch(workspace, job)["watched"]) == without_seconds(report["watched"])


def test_records_of_production_are_left_alone(workspace: Workspace, job: Job) -> None:
    records = workspace.monitoring(job)
    assert records.observed() == []
    assert records.graded() == []
    assert records.alarms.events() == []


def test_other_limits_are_no_other_replay(report: dict[str, Any], workspace: Workspace, job: Job) -> None:
    """Decisions do not depend on how nights are watched, so they are found again."""
    stricter = job.model_copy(update={"monitoring": Monitoring(false_alarms=0.01)})
    assert watch(workspace, stricter)["replay"] == report["replay"]
