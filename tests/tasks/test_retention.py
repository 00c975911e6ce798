"""Retention removes what nothing reaches any more, and nothing else."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import tasks
from pipeline.job import Retention
from pipeline.stores.deliveries import Delivery
from pipeline.tasks import Workspace
from pipeline.tasks.replaying.policies import Policy
from pipeline.tasks.retention import Kind, Removal
from pipeline.tasks.snapshots import load_dataset
from tests.clock import Clock
from tests.monitoring_records import log_alarm, make_graded, make_moved, make_observed
from tests.tasks.conftest import Prepare, Reopen, Served
from tests.tasks.kept import Kept
from tests.tasks.nights import LIVE, NEXT, Summary, land_again, read_scores, run_night
from tests.tasks.test_redeliveries import double_amps

SHORT = Retention(nights=1, data_docs=1)
FIRST_METERS = "upstream/meters/partition=2024-03-03"


@pytest.fixture(scope="module")
def kept_aged(kept_served: Kept, prepare: Prepare) -> Kept:
    """Three releases of a partition, each of another delivery, and one of the next."""

    def release(workspace: Workspace) -> list[dict[str, Summary]]:
        nights = [kept_served.made.first]
        for taken in (1, 2):
            land_again(workspace, "meters", LIVE, lambda table, rows=taken: double_amps(table).slice(rows))  # type: ignore[misc]
            nights.append(run_night(workspace, kept_served.made.job, LIVE, f"again-{taken}"))
        return [*nights, run_night(workspace, kept_served.made.job, NEXT)]

    return prepare(kept_served, release)


@pytest.fixture
def aged(kept_aged: Kept, kept_served: Kept, reopen: Reopen, clock: Clock) -> tuple[Served, list[dict[str, Summary]]]:
    """A copy of it, much later, and the summaries of these nights."""
    short = kept_served.made.job.model_copy(update={"retention": SHORT})
    served = replace(kept_served.made, workspace=reopen(kept_aged), job=short)
    clock.now = datetime.now(UTC) + timedelta(days=400)
    return served, kept_aged.made


def list_files(workspace: Workspace) -> set[Path]:
    return {path for path in Path(workspace.settings.lake).rglob("*") if path.is_file()}


def count(removals: list[Removal]) -> Counter[str]:
    return Counter(str(removal.what) for removal in removals)


def landed(workspace: Workspace) -> list[Delivery]:
    return workspace.deliveries.all_of("meters", LIVE)


def test_looking_first_changes_nothing_and_a_pin_counts(aged: tuple[Served, list[dict[str, Summary]]]) -> None:
    served, nights = aged
    workspace, job, second = served.workspace, served.job, nights[1]
    generation, delivery = second["publish"]["generation"], second["ingest"]["deliveries"]["meters"]["digest"]
    workspace.predictions.pin(job.name, generation, "Jane Doe", "for the auditors")
    files = list_files(workspace)
    pinned = tasks.plan_retention(workspace, job)
    assert not any(item.what is Kind.GENERATION or delivery in item.where for item in pinned)
    workspace.predictions.unpin(job.name, generation)
    planned = tasks.plan_retention(workspace, job)
    assert [item.where for item in planned if item.what is Kind.GENERATION] == [generation]
    assert {Kind.OUTPUT, Kind.DELIVERY, Kind.RUN, Kind.DATA_DOCS} <= set(count(planned))
    summary = {row["what"]: row for row in tasks.summarise_retention(planned)}
    assert summary[Kind.DELIVERY]["count"] == len(landed(workspace)) - 1 == 2
    assert list_files(workspace) == files


def test_what_is_kept_is_whole(aged: tuple[Served, list[dict[str, Summary]]]) -> None:
    """Releases in Redis, the model's data, the newest deliveries and coming nights have all they need."""
    served, nights = aged
    workspace, job = served.workspace, served.job
    records = [path for path in list_files(workspace) if {"models", "release_log", "releases"} & set(path.parts)]
    registered = workspace.ledger(job).require_champion(LIVE).registration
    removed = tasks.apply_retention(workspace, job)
    assert not any(workspace.lake.exists(item.where) for item in removed if item.what is not Kind.GENERATION)
    assert tasks.plan_retention(workspace, job) == []
    assert [item.digest for item in landed(workspace)] == [nights[2]["ingest"]["deliveries"]["meters"]["digest"]]
    assert all(path.exists() for path in records)
    with pytest.raises(FileNotFoundError):
        tasks.open_workspace(workspace.settings).outputs(job).load("score", nights[0]["score"]["output"])
    snapshots = workspace.lake.list(f"stages/{job.name}/snapshot")
    (snapshot,) = (workspace.outputs(job).load("snapshot", address) for address in snapshots)
    assert snapshot.digest == registered.dataset_version
    assert len(load_dataset(workspace, job, snapshot, "train").features)
    for night in nights[2:]:
        assert read_scores(workspace, job, night["score"])
    again = run_night(tasks.open_workspace(workspace.settings, workspace.clock), job, NEXT, "after")
    assert again["score"]["output"] == nights[3]["score"]["output"]


def test_old_replays_go_with_the_files_of_their_models_and_can_be_done_again(served: Served, clock: Clock) -> None:
    workspace, job = served.workspace, served.job
    champion = workspace.ledger(job).require_champion(LIVE)
    smaller = Policy("smaller", "of another window than production's", window=4)
    first, then = date.fromisoformat(LIVE), clock.now
    listed = tasks.list_models(workspace, job)
    replayed = tasks.replay(workspace, job, first, first, [smaller])
    assert tasks.list_models(workspace, job) == listed
    clock.now = datetime.now(UTC) + timedelta(hours=1)
    assert not {Kind.REPLAY, Kind.MODEL_FILE} & set(count(tasks.plan_retention(workspace, job)))
    clock.now += timedelta(days=400)
    removed = count(tasks.apply_retention(workspace, job))
    assert removed[Kind.REPLAY] > 0
    assert removed[Kind.MODEL_FILE] > 0
    assert tasks.plan_retention(workspace, job) == []
    assert workspace.models(job).load(champion).metadata.golden is not None
    assert [verdict["promote"] for verdict in listed["versions"][0]["gate"]] == [True]
    assert tasks.list_models(workspace, job) == listed
    clock.now = then
    again = tasks.replay(tasks.open_workspace(workspace.settings, clock), job, first, first, [smaller])
    assert again["policies"]["smaller"]["weeks"] == replayed["policies"]["smaller"]["weeks"]


def test_what_is_young_stays_whether_reached_or_not(served: Served, clock: Clock) -> None:
    """It may belong to a run that is under way."""
    workspace, job = served.workspace, served.job
    run_night(workspace, job, NEXT)
    broken = Path(workspace.settings.lake) / "stages" / job.name / "score" / ("ab" * 32) / "scores-0000-ab.parquet"
    broken.parent.mkdir()
    broken.write_bytes(b"half")
    clock.now = datetime.now(UTC) + timedelta(hours=1)
    assert set(count(tasks.plan_retention(workspace, job))) <= {Kind.DATA_DOCS}
    clock.now += timedelta(days=3)
    (unfinished,) = (item for item in tasks.plan_retention(workspace, job) if item.what is Kind.UNFINISHED_OUTPUT)
    assert unfinished.where == f"stages/{job.name}/score/{'ab' * 32}"


def test_old_logs_of_this_job_go_and_those_of_others_stay(served: Served, clock: Clock) -> None:
    root = served.workspace.settings.home / "logs"
    names = {
        "tasks/dag_id=nightly_scoring_meter_readings/run_id=a/attempt=1.log": True,
        "tasks/dag_id=nightly_scoring_other/run_id=a/attempt=1.log": False,
        "airflow-scheduler.log": True,
    }
    clock.now = datetime.now(UTC)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("…")
        os.utime(path, (clock.now.timestamp() - 40 * 86400,) * 2)
    (root / "redis.log").write_text("still written to")
    tasks.apply_retention(served.workspace, served.job)
    assert {name: not (root / name).exists() for name in names} == names
    assert (root / "redis.log").exists()


def test_what_a_republish_needs_stays_although_redis_has_lost_it(aged: tuple[Served, list[dict[str, Summary]]]) -> None:
    served, nights = aged
    workspace, job, second = served.workspace, served.job, nights[1]
    generation = second["publish"]["generation"]
    tasks.pin_release(workspace, job, generation, who="Jane Doe", why="for the auditors")
    workspace.predictions._client.flushall()
    tasks.apply_retention(workspace, job)
    done = tasks.republish(workspace, job, who="Jane Doe")
    assert done["generations"][generation] == "restored"


def test_records_of_nights_long_past_go_and_alarms_stay(served: Served, clock: Clock) -> None:
    """Counted from the newest night, whatever today is."""
    workspace, job, records = served.workspace, served.job, served.workspace.monitoring(served.job)
    tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    for partition in ("2023-01-27", "2023-01-28"):
        records.write_observed(make_observed(partition))
        records.write_graded(make_graded(partition))
        records.write_profile(partition, {})
        records.write_moved(make_moved(partition))
        tasks.write_night_report(workspace, job, partition)
    log_alarm(records, "2020-01-01")
    records.write_reference("0" * 64, {})
    clock.now = datetime.now(UTC) + timedelta(days=5000)
    folder, reports = f"jobs/{job.name}/monitoring", f"jobs/{job.name}/reports"
    planned = [item for item in tasks.plan_retention(workspace, job) if item.where.startswith((folder, reports))]
    assert {item.where for item in planned} == {
        *(f"{folder}/{kind}/2023-01-27.json" for kind in ("observed", "graded", "moved", "profiles")),
        f"{folder}/references/{'0' * 64}.json",
        f"{reports}/2023-01-27.html",
    }
    assert count(planned) == {Kind.NIGHT: 4, Kind.REFERENCE: 1, Kind.REPORT: 1}
    tasks.apply_retention(workspace, job)
    assert [night.partition for night in records.observed()] == ["2023-01-28", LIVE]
    assert len(records.alarms.events()) == 1
