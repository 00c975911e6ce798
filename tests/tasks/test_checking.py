"""What is served is looked at part by part, and whoever is told of it is told once an episode."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline import tasks
from pipeline.errors import DamagedError, NightjarError
from pipeline.job import Job
from pipeline.tasks import Workspace, ingest, validate, watch
from pipeline.tasks.clocks import MovedClock
from tests.clock import Clock
from tests.conftest import StartRedis
from tests.monitoring_records import log_alarm
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, land_again, run_night
from tests.webhook import Webhook

WELL = datetime(2024, 3, 4, tzinfo=UTC)
"""The night of 2024-03-03 is the newest whose deadline has passed: 13:00 UTC, four hours of patience, two of grace."""

BEFORE = "2024-03-02"

Change = Callable[..., Workspace]
check_jobs = partial(tasks.check_jobs, wait=lambda _: None)


@pytest.fixture
def well(served: Served, clock: Clock) -> Workspace:
    """A workspace of which nothing is wrong."""
    clock.now = WELL
    return served.workspace


@pytest.fixture
def change(well: Workspace) -> Change:
    """The same workspace with other settings."""

    def with_settings(**settings: Any) -> Workspace:
        return Workspace(well.settings.model_copy(update=settings), well.clock)

    return with_settings


def states(report: dict[str, Any], job: Job) -> dict[str, str]:
    """What was found, by part."""
    return {finding["part"]: finding["state"] for finding in report["jobs"][job.name]["findings"]}


def words(report: dict[str, Any], job: Job, part: str) -> str:
    (finding,) = [finding for finding in report["jobs"][job.name]["findings"] if finding["part"] == part]
    return str(finding["says"])


def list_files(workspace: Workspace) -> set[Path]:
    return {path for path in Path(workspace.settings.lake).rglob("*") if path.is_file()}


def test_nothing_is_wrong_and_nothing_is_written(well: Workspace, job: Job) -> None:
    before = list_files(well)
    report = check_jobs(well, [job])
    assert report["fine"]
    assert set(states(report, job).values()) == {"fine"}
    assert list_files(well) == before


def test_an_old_generation_and_a_missing_night(served: Served, job: Job) -> None:
    report = check_jobs(served.workspace, [job])
    assert not report["fine"]
    expected = dict.fromkeys(("lake", "live", "age", "night", "run", "alarms"), "fine")
    assert states(report, job) == expected | {"age": "wrong", "night": "wrong"}
    assert words(report, job, "age") == (
        "the predictions are of 2024-03-03, 6 d 23 h old, where at most 1 d 16 h are allowed"
    )
    assert "the night of 2024-03-09 was not released by 2024-03-09T19:00+00:00" in words(report, job, "night")


@pytest.mark.parametrize(
    ("moment", "state"),
    [(datetime(2024, 3, 4, 18, 59, tzinfo=UTC), "fine"), (datetime(2024, 3, 4, 19, tzinfo=UTC), "wrong")],
)
def test_a_night_is_missing_after_cutoff_patience_and_grace(
    well: Workspace, job: Job, clock: Clock, moment: datetime, state: str
) -> None:
    clock.now = moment
    assert states(check_jobs(well, [job]), job)["night"] == state


def test_a_redis_that_is_down_hides_nothing_else(change: Change, job: Job) -> None:
    """The age is told from the release log."""
    report = check_jobs(change(redis_url=SecretStr("redis://:hush@127.0.0.1:1/0")), [job])
    assert states(report, job) == {
        "lake": "fine",
        "live": "wrong",
        "age": "fine",
        "night": "fine",
        "run": "fine",
        "alarms": "fine",
    }
    assert "hush" not in str(report)


def test_a_redis_that_is_starting_again_is_asked_a_second_time(
    change: Change, job: Job, start_redis: StartRedis
) -> None:
    """Once for all jobs is waited."""
    server, waited = start_redis(), list[float]()
    workspace = change(redis_url=SecretStr(server.url))
    run_night(workspace, job, LIVE, "elsewhere")
    server.client.save()
    server.stop()
    report = check_jobs(workspace, [job, job.model_copy(update={"name": "another"})], wait=waited.append)
    assert (states(report, job)["live"], waited) == ("wrong", [5.0])
    report = check_jobs(workspace, [job], wait=lambda _: server.start())
    assert states(report, job)["live"] == "fine"


def test_readers_are_asked_as_the_reader(change: Change, job: Job) -> None:
    """The publisher's user may be well while that of the readers is not."""
    report = check_jobs(change(redis_reader_url=SecretStr("redis://127.0.0.1:1/0")), [job])
    assert states(report, job)["live"] == "wrong"


def test_a_redis_that_lost_everything(well: Workspace, job: Job) -> None:
    well.predictions._client.flushall()
    assert states(check_jobs(well, [job]), job)["live"] == "wrong"


def test_a_bucket_that_is_gone(well: Workspace, job: Job) -> None:
    """Live, header and states are all there."""
    client = well.predictions._client
    live = well.predictions.live(job.name)
    assert live is not None
    for bucket in range(live.header.buckets):
        client.delete(f"nightjar:{job.name}:{live.generation}:{bucket}")
    assert states(check_jobs(well, [job]), job)["live"] == "wrong"


def test_a_lake_that_cannot_be_read_hides_nothing_else(change: Change, job: Job, tmp_path: Path) -> None:
    """Folders stand where files should."""
    for part in ("release_log", f"runs/{LIVE}/first", "monitoring/alarms"):
        (tmp_path / "broken" / "jobs" / job.name / part / "000001.json").mkdir(parents=True)
    report = check_jobs(change(lake=str(tmp_path / "broken")), [job])
    assert states(report, job) == {
        "lake": "wrong",
        "live": "fine",
        "age": "fine",
        "night": "unknown",
        "run": "unknown",
        "alarms": "unknown",
    }


def test_a_lake_that_is_not_mounted_looks_empty_and_is_not_believed(change: Change, job: Job, tmp_path: Path) -> None:
    report = check_jobs(change(lake=str(tmp_path / "elsewhere")), [job], named=False)
    assert not report["fine"]
    assert states(report, job)["lake"] == "wrong"
    assert "it knows nothing of what is live" in words(report, job, "lake")


def test_a_run_that_failed_is_told_with_its_stage(well: Workspace, job: Job) -> None:
    clock = well.clock
    assert isinstance(clock, Clock)
    clock.now = datetime(2024, 3, 9, 12, tzinfo=UTC)
    land_again(well, "meters", NEXT, lambda table: table.drop_columns(["tariff"]))
    with pytest.raises(NightjarError):
        validate(well, job, NEXT, "second", ingest(well, job, NEXT, "second"))
    report = check_jobs(well, [job])
    assert states(report, job)["run"] == "wrong"
    failure = words(report, job, "run")
    assert failure.startswith(f"run second of {NEXT} failed at ")
    assert words(report, job, "night").endswith(failure), "and so does the alert of a night that is missing"


def test_a_night_that_was_released_and_could_not_be_watched_is_well_and_says_so(
    well: Workspace, served: Served, job: Job
) -> None:
    well.lake.replace(f"jobs/{job.name}/monitoring/observed/{BEFORE}.json", b"{}")
    with pytest.raises(DamagedError):
        watch(well, job, LIVE, "first", served.first["publish"])
    report = check_jobs(well, [job])
    assert report["fine"]
    assert words(report, job, "run") == (
        f"run first of {LIVE} did not fail; beside it watch failed: {BEFORE}.json is no record of a night"
    )


@pytest.mark.parametrize(("severity", "state"), [("info", "fine"), ("warning", "wrong"), ("critical", "wrong")])
def test_open_alarms(well: Workspace, job: Job, severity: str, state: str) -> None:
    log_alarm(well.monitoring(job), LIVE, severity=severity)
    report = check_jobs(well, [job])
    assert states(report, job)["alarms"] == state
    assert f"inputs.drift since {LIVE} ({severity})" in words(report, job, "alarms")


def test_a_job_that_never_released_is_not_well_only_if_it_was_asked_for(workspace: Workspace, job: Job) -> None:
    assert check_jobs(workspace, [job], named=False)["fine"]
    report = check_jobs(workspace, [job], named=True)
    assert not report["fine"]
    assert states(report, job)["night"] == "wrong"


def test_data_that_is_over_is_told_as_such_with_the_clock_that_helps(well: Workspace, job: Job, clock: Clock) -> None:
    ended = job.model_copy(update={"last_partition": date(2024, 3, 6)})
    clock.now = datetime(2026, 11, 21, tzinfo=UTC)
    report = check_jobs(well, [ended])
    assert states(report, ended)["age"] == "wrong"
    told = words(report, ended, "age")
    assert "the data is of 2024, and upstream has none after 2024-03-06" in told
    moment = datetime.fromisoformat(told.rpartition("NIGHTJAR_CLOCK=")[2])
    report = check_jobs(Workspace(well.settings, MovedClock(clock, moment)), [ended])
    assert report["fine"]
    assert report["clock_moved"]


def test_an_episode_is_raised_once_and_resolved(change: Change, job: Job, clock: Clock, webhook: Webhook) -> None:
    """As cron does, every few minutes."""
    workspace = change(alert_webhook=webhook.address)
    down = change(alert_webhook=webhook.address, redis_url=SecretStr("redis://127.0.0.1:1/0"))
    check_jobs(workspace, [job], tell=True)
    for _ in range(3):
        clock.advance(minutes=5)
        check_jobs(down, [job], tell=True)
    for _ in range(2):
        clock.advance(minutes=5)
        check_jobs(workspace, [job], tell=True)
    assert [(content["signal"], content["kind"]) for content in webhook.received] == [
        ("operations.unreadable", "raised"),
        ("operations.unreadable", "resolved"),
    ]
    events = workspace.monitoring(job).alarms.events()
    assert [(event.kind, event.since) for event in events] == [("raised", LIVE), ("resolved", LIVE)]


def test_a_night_that_comes_late_ends_both_alarms(change: Change, job: Job, clock: Clock, webhook: Webhook) -> None:
    workspace = change(alert_webhook=webhook.address)
    clock.now = datetime(2024, 3, 5, 12, tzinfo=UTC)
    (report,) = check_jobs(workspace, [job], tell=True)["jobs"].values()
    assert report["told"] == ["alarm-000001", "alarm-000002"]
    run_night(workspace, job, NEXT)
    check_jobs(workspace, [job], tell=True)
    assert sorted((content["signal"], content["kind"]) for content in webhook.received) == [
        ("operations.age", "raised"),
        ("operations.age", "resolved"),
        ("operations.missing", "raised"),
        ("operations.missing", "resolved"),
    ]
    raised = webhook.received[0]
    assert (raised["since"], raised["unit"], raised["upper"]) == (LIVE, "seconds", 40 * 3600.0)
    assert "value=1 d 23 h" in raised["text"]
    assert "found=the predictions are of 2024-03-03" in raised["text"]


def test_of_many_checks_at_once_one_raises(change: Change, job: Job, clock: Clock, webhook: Webhook) -> None:
    workspace = change(alert_webhook=webhook.address)
    clock.now = datetime(2024, 3, 4, 20, tzinfo=UTC)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: check_jobs(workspace, [job], tell=True), range(12)))
    assert [event.signal for event in workspace.monitoring(job).alarms.events()] == ["operations.missing"]
    assert len(webhook.received) == 1


def test_what_could_not_be_looked_at_ends_no_alarm(change: Change, job: Job, clock: Clock) -> None:
    """Without Redis and before the first release nobody knows the age."""
    clock.now = datetime(2024, 3, 5, 12, tzinfo=UTC)
    check_jobs(change(), [job], tell=True)
    clock.now = WELL
    check_jobs(change(redis_url=SecretStr("redis://127.0.0.1:1/0")), [job], tell=True)
    kinds = [(event.signal, event.kind) for event in change().monitoring(job).alarms.events()]
    assert ("operations.unreadable", "raised") in kinds
    assert ("operations.unreadable", "resolved") not in kinds


def test_a_lake_that_is_gone_is_told_once_a_day(
    change: Change, job: Job, clock: Clock, webhook: Webhook, tmp_path: Path
) -> None:
    lost = change(alert_webhook=webhook.address, lake=str(tmp_path / "elsewhere"))
    for _ in range(3):
        check_jobs(lost, [job], tell=True)
    clock.advance(days=1)
    check_jobs(lost, [job], tell=True)
    assert [content["subject"] for content in webhook.received] == ["lake", "lake"]
    assert not (tmp_path / "elsewhere").exists()


def test_it_starts_no_redis_of_its_own(start_redis: StartRedis, change: Change, job: Job) -> None:
    """An empty server is one that lost what was live."""
    report = check_jobs(change(redis_url=SecretStr(start_redis().url)), [job])
    assert states(report, job)["live"] == "wrong"
