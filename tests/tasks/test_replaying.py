"""Replays of the second job: policies side by side, as production would have had it."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.stages.sustained import Drop
from pipeline.stores.lake import Lake
from pipeline.tasks import Workspace, open_workspace, replay, snapshot, train
from pipeline.tasks.replaying.days import Replay, prepare_replay
from pipeline.tasks.replaying.deciding import follow_policy
from pipeline.tasks.replaying.policies import POLICIES, Policy, choose_policies
from pipeline.tasks.replaying.serving import grade_night, score_night
from tests.clock import Clock
from tests.conftest import make_settings
from tests.meter_readings.job import JOB
from tests.tasks.conftest import NO_REDIS, PREPARED_AT, copy_home
from tests.tasks.conftest import train as train_champion
from tests.tasks.nights import LIVE, NIGHTS, land_again, run_until_scored

OpenCopy = Callable[[Path], Workspace]

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 8)
NEVER = Policy("never", "once")
OFTEN = Policy("often", "every other day", every=2)
OFTEN_NO_GATE = Policy("often_no_gate", "every other day, whatever it is worth", every=2, gate=False)
SHORT = Policy("short", "every other day, on four days", every=2, window=4)


def cost(labels: pd.Series, scores: pd.Series) -> pd.Series:
    """Too little is three times as dear as too much."""
    return (scores - labels).clip(lower=0) + 3 * (labels - scores).clip(lower=0)


def declare_job() -> Job:
    sources = tuple(source.model_copy(update={"suite": None}) for source in JOB.sources)
    return JOB.model_copy(update={"sources": sources, "business_cost": f"{__name__}:cost", "cost_unit": "cents"})


@pytest.fixture
def job() -> Job:
    """The second job without suites, which take most of the time, and with short windows to fit in."""
    return declare_job()


@pytest.fixture(scope="module")
def champion_home(landed_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deliveries, and a champion that holds from 2024-03-03 on."""
    return train_champion(landed_home, tmp_path_factory.mktemp("champion") / "home", declare_job())


@pytest.fixture(scope="module")
def prepared_home(champion_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the validated deliveries and features that replays of the job find done."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    shutil.copytree(champion_home, home)
    prepare(open_workspace(make_settings(home, NO_REDIS), Clock(PREPARED_AT)), declare_job(), OFTEN)
    return home


@pytest.fixture
def landed(prepared_home: Path, settings: Settings, clock: Clock) -> Iterator[Workspace]:
    """A workspace with what replays make of deliveries before they decide anything, and production's champion."""
    yield from copy_home(prepared_home, settings, clock)


def read_files(folder: Path) -> dict[str, int]:
    """Every file below a folder, and when it was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def without_seconds(report: dict[str, Any]) -> dict[str, Any]:
    policies = {name: {**policy, "seconds": None} for name, policy in report["policies"].items()}
    return {**report, "seconds": None, "policies": policies}


def decide(workspace: Workspace, job: Job, policy: Policy, last: date = LAST) -> dict[str, Any]:
    found: dict[str, Any] = replay(workspace, job, FIRST, last, [policy])["policies"][policy.name]
    return found


def prepare(workspace: Workspace, job: Job, *policies: Policy, first: date = FIRST, last: date = LAST) -> Replay:
    return prepare_replay(workspace, job, first, last, policies or (NEVER,), lambda phase, done, total: None)


def test_policies_retrain_and_promote_as_they_say(landed: Workspace, job: Job) -> None:
    report = replay(landed, job, FIRST, LAST, [NEVER, OFTEN, OFTEN_NO_GATE])
    never, often, no_gate = report["policies"].values()
    nights = ["2024-03-01", "2024-03-03", "2024-03-05", "2024-03-07"]
    assert [decision["night"] for decision in never["decisions"]] == nights[:1]
    for policy in (often, no_gate):
        assert [decision["night"] for decision in policy["decisions"]] == nights
    assert (never["promotions"], no_gate["promotions"]) == (0, 3)
    assert often["promotions"] == sum(decision["passed"] for decision in often["decisions"][1:]) < 3
    assert all(decision["promoted"] for decision in no_gate["decisions"])
    assert not all(decision["passed"] for decision in no_gate["decisions"])
    assert no_gate["rmse"] != never["rmse"]


def test_the_report_has_every_week_and_what_the_gate_did(landed: Workspace, job: Job) -> None:
    tuned = job.model_copy(update={"tuned_before": date(2024, 3, 8)})
    report = replay(landed, tuned, FIRST, LAST, [OFTEN, OFTEN_NO_GATE])
    for policy in report["policies"].values():
        assert [(week["week"], week["nights"]) for week in policy["weeks"]] == [("2024-03-01", 7), ("2024-03-08", 1)]
        assert policy["rmse"] == pytest.approx(np.mean([week["rmse"] for week in policy["weeks"]]), abs=2e-6)
        assert [half["rmse"]["weeks"] for half in policy["halves"].values()] == [1, 1]
        interval = policy["intervals"]["rmse"]
        assert (interval["low"], interval["high"]) == (None, None)  # of two weeks
    gate = report["comparisons"][0]
    assert (gate["kind"], gate["policy"], gate["against"]) == ("gate", "often", "often_no_gate")
    means = [report["policies"][name]["rmse"] for name in ("often", "often_no_gate")]
    assert gate["weekly"]["rmse"]["mean"] == pytest.approx(means[0] - means[1], abs=3e-6)


def test_the_cost_is_that_of_the_job(landed: Workspace, job: Job) -> None:
    replayed = prepare(landed, job)
    (first,) = follow_policy(replayed, NEVER)
    assert first.served is not None
    graded = [grade_night(replayed, first.served, night) for night in replayed.nights[:7]]
    costs = [cost(night.labels, night.scores) for night in graded if night is not None]
    found = decide(landed, job, NEVER)["weeks"][0]
    assert found["business_cost"] == pytest.approx(pd.concat(costs).mean(), abs=1e-6)
    free = replay(landed, job.model_copy(update={"business_cost": None}), FIRST, LAST, [NEVER])
    assert "business_cost" not in free["policies"]["never"]


def test_a_promotion_hurts_if_the_old_champion_would_have_been_better(landed: Workspace, job: Job) -> None:
    report = decide(landed, job, OFTEN_NO_GATE)
    replayed = prepare(landed, job, OFTEN_NO_GATE)
    second = follow_policy(replayed, OFTEN_NO_GATE)[1]
    errors = []
    for version in (second.challenger, second.champion):
        assert version is not None
        nights = [grade_night(replayed, version, second.night + timedelta(days=age)) for age in range(2)]
        squares = np.concatenate([np.square(night.scores - night.labels) for night in nights if night is not None])
        errors.append(float(np.sqrt(squares.mean())))
    assert report["decisions"][1]["difference"] == pytest.approx(errors[0] - errors[1], abs=1e-6)
    hurt = [decision["difference"] > 0 for decision in report["decisions"][1:]]
    assert report["harmful_promotions"] == sum(hurt)


def test_a_window_is_what_a_policy_trains_on(landed: Workspace, job: Job) -> None:
    long = job.model_copy(update={"training": job.training.model_copy(update={"window": 9})})
    replayed = prepare(landed, long, SHORT)
    counts = []
    for policy in (SHORT, OFTEN):
        challenger = follow_policy(replayed, policy)[-1].challenger
        assert challenger is not None
        counts.append(int(str(challenger.registration.parameters["rows"])))
    assert counts[0] < counts[1]


def test_what_closed_later_changes_no_decision_before(prepared_home: Path, open_copy: OpenCopy, job: Job) -> None:
    """Readings that came on the fifth are labels of the fourth: a model that serves on the fifth knows none of them."""

    def shift(table: pa.Table) -> pa.Table:
        return table.set_column(table.schema.get_field_index("kwh"), "kwh", pc.multiply(table["kwh"], 3.0))

    before, after = open_copy(prepared_home), open_copy(prepared_home)
    land_again(after, "readings", "2024-03-05", shift)
    daily = replace(OFTEN_NO_GATE, every=1)
    known, changed = (follow_policy(prepare(workspace, job, daily), daily) for workspace in (before, after))
    assert [item.night.day for item in known[:6]] == [1, 2, 3, 4, 5, 6]
    for one, other in zip(known[:5], changed[:5], strict=True):
        assert (one.challenger, one.why) == (other.challenger, other.why)
    assert known[5].why != changed[5].why


def test_models_serve_from_the_night_after_the_day_that_they_know(landed: Workspace, job: Job) -> None:
    replayed = prepare(landed, job)
    for decision in follow_policy(replayed, OFTEN_NO_GATE):
        assert decision.challenger is not None
        known = date.fromisoformat(decision.challenger.registration.partition)
        assert known == decision.night - timedelta(days=1)
        trained = date.fromisoformat(str(decision.challenger.registration.trained_through))
        holdout_and_gap = job.training.holdout + job.label.closes_after
        assert trained <= known - timedelta(days=holdout_and_gap + job.label.closes_after)


def test_policies_train_the_models_that_production_would_have(
    landed: Workspace, landed_home: Path, open_copy: OpenCopy, job: Job
) -> None:
    replayed = prepare(landed, job)
    decision = follow_policy(replayed, OFTEN_NO_GATE)[-1]
    assert decision.challenger is not None
    production, day = open_copy(landed_home), decision.challenger.registration.partition
    attempt = (production, job, day, "training")
    version = train(*attempt, snapshot(*attempt))["model_version"]
    assert production.ledger(job).version(version).registration.identity == decision.challenger.registration.identity


def test_a_model_whose_file_was_lost_is_made_again(landed: Workspace, job: Job) -> None:
    """Decisions that are recalled included."""
    policy = replace(NEVER, name="dropping", on_drop=Drop(k=1, n=1, reference=2, quantile=0.0))
    resting = job.model_copy(update={"training": job.training.model_copy(update={"cool_down": timedelta(days=1)})})
    whole = decide(landed, resting, policy)
    for path in (Path(landed.settings.lake) / "jobs" / job.name / "artifacts").iterdir():
        path.unlink()
    again = decide(Workspace(landed.settings, landed.clock), resting, policy)
    assert len(again["decisions"]) > 1
    assert {**again, "seconds": None} == {**whole, "seconds": None}


def test_a_night_whose_scores_may_not_be_published_is_not_served(landed: Workspace, job: Job) -> None:
    replayed = prepare(landed, job)
    served = follow_policy(replayed, NEVER)[0].served
    assert served is not None
    narrow = replace(replayed, job=job.model_copy(update={"score_range": (0.0, 3.0)}))
    assert grade_night(replayed, served, FIRST) is not None
    assert grade_night(narrow, served, FIRST) is None


def test_only_what_has_no_delivery_is_landed(landed: Workspace, job: Job) -> None:
    """Of a day that upstream delivered in part itself, its deliveries stay those that nights take."""
    day = FIRST.isoformat()
    own = land_again(landed, "readings", day, scale(2.0, 1))
    shutil.rmtree(Path(landed.settings.lake) / "upstream" / "meters" / f"partition={day}")
    prepare(landed, job)
    newest = {name: landed.deliveries.newest(name, day) for name in ("readings", "meters")}
    assert newest["meters"] is not None
    assert newest["readings"] is not None
    assert newest["readings"].digest == own.digest


def test_the_ledger_of_production_is_neither_read_nor_written(landed: Workspace, job: Job) -> None:
    folder = Path(landed.settings.lake) / "jobs" / job.name
    before = read_files(folder / "models")
    report = decide(landed, job, OFTEN_NO_GATE)
    assert read_files(folder / "models") == before
    assert report["decisions"][0]["champion"] is None
    assert not (folder / "runs").exists()
    assert [event.model_version for event in landed.ledger(job).events()] == ["1", "1"]


ONCE_IN_A_PHASE = (("decide", 3), ("score", 4))
OFTENER = (("decide", 2), ("decide", 3), ("decide", 5), ("score", 4))


@pytest.mark.parametrize(
    "kills", [ONCE_IN_A_PHASE, pytest.param(OFTENER, marks=pytest.mark.slow)], ids=["once in a phase", "oftener"]
)
def test_a_replay_that_was_killed_goes_on_where_it_was(
    prepared_home: Path, open_copy: OpenCopy, job: Job, kills: tuple[tuple[str, int], ...]
) -> None:
    """Killed among decisions and among nights: as if it never was.

    The slow run adds that it is killed again among the decisions, after a model was registered and after it was judged.
    """
    policies = [NEVER, OFTEN, OFTEN_NO_GATE]
    whole = replay(open_copy(prepared_home), job, FIRST, LAST, policies)
    broken = open_copy(prepared_home)
    lake = Path(broken.settings.lake)
    for phase, writes in kills:
        before = read_files(lake)
        child = multiprocessing.get_context("spawn").Process(
            target=replay_until, args=(broken.settings.home, job, policies, phase, writes)
        )
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        left = read_files(lake)
        assert len(left) > len(before)
    again = replay(Workspace(broken.settings, broken.clock), job, FIRST, LAST, policies)
    assert without_seconds(again) == without_seconds(whole)
    found = read_files(lake)
    assert {name: found[name] for name in left} == left


def replay_until(home: Path, job: Job, policies: list[Policy], phase: str, writes: int) -> None:
    """Replay until so many files of a phase are written, then die."""
    write, left = Lake.put_if_absent, writes

    def write_and_die(lake: Lake, path: str, content: bytes) -> bool:
        nonlocal left
        done = write(lake, path, content)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def arm(told: str, done: int, total: int) -> None:
        if (told, done) == (phase, 0):
            Lake.put_if_absent = write_and_die  # type: ignore[assignment, method-assign]

    replay(open_workspace(make_settings(home, NO_REDIS), Clock(PREPARED_AT)), job, FIRST, LAST, policies, arm)


def test_a_second_run_writes_nothing(landed: Workspace, job: Job) -> None:
    lake = Path(landed.settings.lake)
    first = replay(landed, job, FIRST, LAST, [NEVER, OFTEN])
    before = read_files(lake)
    second = replay(Workspace(landed.settings, landed.clock), job, FIRST, LAST, [NEVER, OFTEN])
    assert read_files(lake) == before
    assert without_seconds(second) == without_seconds(first)


def test_processes_change_nothing(prepared_home: Path, landed_home: Path, open_copy: OpenCopy) -> None:
    """They do all of it; what was prepared for the other tests was so in this process."""
    reports = []
    for parallel, home in (("inline", prepared_home), ("processes:2", landed_home)):
        workspace = open_copy(home)
        settings_of = workspace.settings.model_copy(update={"parallel": parallel})
        reports.append(replay(Workspace(settings_of, workspace.clock), JOB_ALONE, FIRST, LAST, [NEVER, OFTEN]))
    assert without_seconds(reports[0]) == without_seconds(reports[1])


JOB_ALONE = JOB.model_copy(
    update={"sources": tuple(source.model_copy(update={"suite": None}) for source in JOB.sources)}
)
"""Without a cost, whose module other processes would have to import."""


def test_a_drop_in_accuracy_retrains_once_its_labels_closed_and_not_in_the_cool_down(
    landed: Workspace, job: Job
) -> None:
    easily = Policy(
        "easily", "any night beyond half of the two before", on_drop=Drop(k=1, n=1, reference=2, quantile=0.0)
    )
    quick, slow = (
        job.model_copy(update={"training": job.training.model_copy(update={"cool_down": timedelta(days=days)})})
        for days in (1, 3)
    )
    first = [str(decision.night) for decision in follow_policy(prepare(landed, quick), easily)]
    # Three nights have to be graded, and the labels of the third close with the delivery of the fourth.
    assert first[0] == "2024-03-01"
    assert first[1] >= "2024-03-05"
    nights = [date.fromisoformat(night) for night in first]
    assert len(nights) > 2
    rare = [decision.night for decision in follow_policy(prepare(landed, slow), easily)]
    assert all(later - earlier >= timedelta(days=3) for earlier, later in itertools.pairwise(rare))
    assert len(rare) < len(nights)


def test_a_night_whose_delivery_was_refused_is_not_served_and_named(landed: Workspace, job: Job) -> None:
    land_again(landed, "meters", "2024-03-04", lambda table: table.slice(0, 0))
    report = replay(landed, job, FIRST, LAST, [NEVER])
    assert list(report["failed_nights"]) == ["2024-03-04"]
    assert report["policies"]["never"]["weeks"][0]["nights"] == 6


def test_a_training_that_fails_leaves_the_champion_and_says_why(landed: Workspace, job: Job) -> None:
    """Days that cannot be used leave the second training too few, as the first still has enough."""
    for day in ("2024-02-29", "2024-03-01"):
        land_again(landed, "meters", day, lambda table: table.slice(0, 0))
    short = job.model_copy(
        update={"training": job.training.model_copy(update={"window": 4, "minimum": 4, "holdout": 1})}
    )
    replayed = prepare(landed, short)
    first, second, *_ = follow_policy(replayed, OFTEN)
    assert first.promoted
    assert (second.challenger, second.promoted, second.served) == (None, False, first.challenger)
    assert "too little history" in second.why


def test_without_enough_history_there_is_nothing_to_replay(landed: Workspace, job: Job) -> None:
    with pytest.raises(NotReadyError, match="no first model") as caught:
        replay(landed, job, date(2024, 2, 21), LAST, [NEVER])
    assert caught.value.next_step


@pytest.mark.parametrize("days", [(LAST, FIRST), (FIRST, date(2024, 4, 1)), (date(2024, 2, 19), LAST)])
def test_a_period_that_cannot_be_replayed_is_refused(landed: Workspace, job: Job, days: tuple[date, date]) -> None:
    with pytest.raises(BadInputError, match="cannot be replayed"):
        replay(landed, job, *days, [NEVER])


def test_policies_are_chosen_by_name_and_by_cadence() -> None:
    assert [policy.name for policy in choose_policies([])] == [item.name for item in POLICIES if item.is_usual]
    assert [policy.name for policy in choose_policies(["weekly", "never"], 7)] == ["never", "weekly"]
    assert [policy.name for policy in choose_policies(["never"], 14)] == ["never", "every_14d"]
    assert [policy.name for policy in choose_policies([], 14)][-2:] == ["on_drop", "every_14d"]
    with pytest.raises(BadInputError, match="no such policy"):
        choose_policies(["fortnightly"])


def scale(factor: float, dropped: int) -> Callable[[pa.Table], pa.Table]:
    """Other readings, and fewer."""

    def change(table: pa.Table) -> pa.Table:
        kwh = pc.round(pc.multiply(table["kwh"], factor), 3)
        return table.set_column(table.schema.get_field_index("kwh"), "kwh", kwh).slice(dropped)

    return change


@hypothesis_settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    night=strategies.sampled_from(NIGHTS),
    changed=strategies.sampled_from(["2024-03-01", "2024-03-02", LIVE]),
    factor=strategies.floats(0.5, 2.0),
    dropped=strategies.integers(1, 40),
    shards=strategies.integers(1, 3),
)
def test_replay_and_night_give_the_same_scores_bit_for_bit(
    champion_home: Path, job: Job, night: str, changed: str, factor: float, dropped: int, shards: int
) -> None:
    """Of the same partition, model and data; each in a lake of its own."""
    population = job.population.model_copy(update={"shards": shards})
    job = job.model_copy(update={"sources": (population, *job.sources[1:])})
    with tempfile.TemporaryDirectory() as folder:
        scored = []
        for name in ("nightly", "replayed"):
            home = Path(folder) / name
            shutil.copytree(champion_home, home)
            workspace = open_workspace(make_settings(home, NO_REDIS), Clock(PREPARED_AT))
            land_again(workspace, "readings", changed, scale(factor, dropped))
            outputs = workspace.outputs(job)
            if name == "nightly":
                scored.append(outputs.load("score", run_until_scored(workspace, job, night)["score"]["output"]))
                continue
            day = date.fromisoformat(night)
            replayed = prepare(workspace, job, first=day, last=day)
            found = score_night(replayed, workspace.ledger(job).version("1"), night)
            assert found is not None
            scored.append(found)
    nightly, replayed_night = ({label: file.sha256 for label, file in item.files.items()} for item in scored)
    assert nightly == replayed_night
    assert len(nightly) == shards
