"""Alarms go into their log once, however often and by however many at once nights are judged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from pipeline.errors import DamagedError
from pipeline.job import Job, Monitoring, Severities
from pipeline.stores.alarms import AlarmEvent, list_open
from pipeline.stores.lake import Lake
from pipeline.tasks import Workspace
from pipeline.tasks.findings import OF_CHECK
from pipeline.tasks.monitoring.alarming import explain_training, judge_alarms, summarise_events
from tests.monitoring_records import log_alarm, make_graded, make_observed, make_signal

FIRST = date(2024, 3, 1)


def day(age: int) -> str:
    return (FIRST + timedelta(days=age)).isoformat()


def watch_nights(workspace: Workspace, job: Job, flags: str, name: str = "inputs.drift") -> list[AlarmEvent]:
    """Write a night for each flag and judge it; what came of all of them."""
    events = []
    for age, flag in enumerate(flags):
        workspace.monitoring(job).write_observed(make_observed(day(age), make_signal(flag, name)))
        events += judge_alarms(workspace, job, day(age), f"night of {day(age)}")
    return events


def shown(events: list[AlarmEvent]) -> list[tuple[str, str, str]]:
    return [(event.kind, event.partition, event.since) for event in events]


def test_an_episode_is_raised_once_and_resolved_once(workspace: Workspace, job: Job) -> None:
    events = watch_nights(workspace, job, "..x.xxx....")
    assert shown(events) == [("raised", day(4), day(2)), ("resolved", day(9), day(2))]
    assert events == workspace.monitoring(job).alarms.events()
    assert list_open(events) == {}


def test_an_alarm_tells_what_was_seen(workspace: Workspace, job: Job) -> None:
    (event,) = watch_nights(workspace, job, "xx")
    assert (event.signal, event.severity, event.generation, event.run) == (
        "inputs.drift",
        "warning",
        f"1-{day(1)}",
        f"night of {day(1)}",
    )
    assert (event.value, event.lower, event.upper) == (9.0, None, 5.0)
    assert event.at == "2024-03-10T12:00:00+00:00"


def test_how_bad_it_is_says_the_job(workspace: Workspace, job: Job) -> None:
    severe = job.model_copy(update={"monitoring": Monitoring(severities=Severities(inputs="critical"))})
    assert [event.severity for event in watch_nights(workspace, severe, "xx")] == ["critical"]


def test_a_retry_writes_nothing_and_is_told_what_its_first_attempt_wrote(workspace: Workspace, job: Job) -> None:
    raised = watch_nights(workspace, job, "xx")
    assert judge_alarms(workspace, job, day(1), f"night of {day(1)}") == raised
    assert judge_alarms(workspace, job, day(1), "another run") == []
    assert len(workspace.monitoring(job).alarms.events()) == 1


def test_of_runs_at_the_same_time_one_writes(workspace: Workspace, job: Job) -> None:
    records = workspace.monitoring(job)
    for age in (0, 1):
        records.write_observed(make_observed(day(age), *(make_signal("x", f"inputs.{name}") for name in "abcdef")))
    with ThreadPoolExecutor(8) as runs:
        told = list(runs.map(lambda run: judge_alarms(workspace, job, day(1), f"run {run}"), range(8)))
    events = records.alarms.events()
    assert sorted(event.signal for event in events) == [f"inputs.{name}" for name in "abcdef"]
    assert sorted(event.number for part in told for event in part) == [1, 2, 3, 4, 5, 6]


def test_a_night_that_is_watched_again_does_not_count_twice(workspace: Workspace, job: Job) -> None:
    watch_nights(workspace, job, ".x")
    records = workspace.monitoring(job)
    for _ in range(3):
        records.write_observed(make_observed(day(1), make_signal("x"), generation="2-again"))
        assert judge_alarms(workspace, job, day(1), "again") == []


def test_a_backfill_of_an_old_partition_neither_raises_nor_resolves(workspace: Workspace, job: Job) -> None:
    records = workspace.monitoring(job)
    watch_nights(workspace, job, "....xx")
    for age in (0, 1):
        records.write_observed(make_observed(day(age), make_signal("x"), make_signal("x", "outputs.mean")))
        assert judge_alarms(workspace, job, day(age), "backfill") == []
    for age in (2, 3, 4):
        records.write_observed(make_observed(day(age), make_signal("."), make_signal(".", "outputs.mean")))
    assert judge_alarms(workspace, job, day(2), "backfill") == []
    assert list(list_open(records.alarms.events())) == ["inputs.drift"]


def test_a_night_that_decides_nothing_has_no_record_read(workspace: Workspace, job: Job) -> None:
    """Feedback that catches up on a year would read most of it again for each of its nights."""
    watch_nights(workspace, job, "....")
    workspace.lake.replace(f"jobs/{job.name}/monitoring/observed/{day(1)}.json", b"{}")
    assert judge_alarms(workspace, job, day(0), "backfill") == []
    with pytest.raises(DamagedError):
        judge_alarms(workspace, job, day(3), "another run")


def test_the_log_is_read_once_for_all_signals(workspace: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    watch_nights(workspace, job, "xx...xx")
    signals = [make_signal(".", f"inputs.{name}") for name in "abcdef"]
    workspace.monitoring(job).write_observed(make_observed(day(7), *signals))
    read, paths = Lake.read_json, list[str]()

    def notice(lake: Lake, path: str) -> object:
        paths.append(path)
        return read(lake, path)

    monkeypatch.setattr(Lake, "read_json", notice)
    judge_alarms(workspace, job, day(7), "tonight")
    assert len([path for path in paths if "/alarms/" in path]) == 3


def test_a_backfill_of_one_of_the_newest_nights_is_counted_in_its_place(workspace: Workspace, job: Job) -> None:
    watch_nights(workspace, job, "..x")
    workspace.monitoring(job).write_observed(make_observed(day(1), make_signal("x")))
    assert shown(judge_alarms(workspace, job, day(1), "backfill")) == [("raised", day(2), day(1))]


def test_signals_of_labels_are_judged_on_the_nights_that_they_are_of(workspace: Workspace, job: Job) -> None:
    """Labels come nights later than what is observed."""
    watch_nights(workspace, job, ".......")
    records = workspace.monitoring(job)
    events = []
    for age, flag in enumerate("x.x"):
        records.write_graded(make_graded(day(age), make_signal(flag, "accuracy.primary")))
        events += judge_alarms(workspace, job, day(age), "labels")
    assert [(event.signal, event.severity, event.partition) for event in events[-1:]] == [
        ("accuracy.primary", "critical", day(2))
    ]


def test_one_that_stays_muted_is_resolved_once_and_says_why(workspace: Workspace, job: Job) -> None:
    events = watch_nights(workspace, job, "xxmmmm.", "accuracy.estimate")
    assert shown(events) == [("raised", day(1), day(0)), ("resolved", day(4), day(0))]
    over = events[-1]
    assert (over.found, over.judged, over.value, over.upper) == ("not judged on 3 nights: a test", False, None, None)
    assert (over.severity, over.generation) == ("critical", f"1-{day(4)}")
    assert judge_alarms(workspace, job, day(6), "again") == []


def test_what_is_not_judged_any_more_is_not_said_to_be_resolved(workspace: Workspace, job: Job) -> None:
    told = summarise_events(watch_nights(workspace, job, "xx...xxmmm"))
    assert (told["raised"], told["resolved"]) == (["inputs.drift", "inputs.drift"], ["inputs.drift"])
    assert told["unjudged"] == ["inputs.drift"]


@pytest.mark.parametrize("name", ["inputs.gone", "accuracy.estimate"])
def test_one_that_no_record_has_any_more_is_resolved(workspace: Workspace, job: Job, name: str) -> None:
    """Not even the nights that raised it have it now: they were watched again since."""
    assert len(watch_nights(workspace, job, "xx", name)) == 1
    over = watch_nights(workspace, job, "....", "outputs.mean")[-1]
    assert len(workspace.monitoring(job).alarms.events()) == 2
    assert (over.signal, over.kind, over.partition) == (name, "resolved", day(2))
    assert (over.found, over.generation) == ("not judged on 3 nights: the newest record does not have it", None)


def test_one_of_labels_waits_for_gradings(workspace: Workspace, job: Job) -> None:
    """Nights that are watched and have no labels yet say nothing about it."""
    records, events = workspace.monitoring(job), list[AlarmEvent]()
    for age, flag in enumerate("xx"):
        records.write_graded(make_graded(day(age), make_signal(flag, "accuracy.primary")))
        judge_alarms(workspace, job, day(age), "labels")
    watch_nights(workspace, job, ".....")
    assert list(list_open(records.alarms.events())) == ["accuracy.primary"]
    for age in (2, 3, 4):
        records.write_graded(make_graded(day(age), make_signal("m", "accuracy.primary")))
        events += judge_alarms(workspace, job, day(age), "labels")
    assert [(event.signal, event.kind, event.judged) for event in events[-1:]] == [
        ("accuracy.primary", "resolved", False)
    ]


def test_an_old_partition_does_not_resolve_what_is_not_judged(workspace: Workspace, job: Job) -> None:
    records = workspace.monitoring(job)
    watch_nights(workspace, job, "..xx", "inputs.gone")
    for age in (4, 5, 6):
        records.write_observed(make_observed(day(age), make_signal(".")))
    assert judge_alarms(workspace, job, day(3), "backfill") == []
    assert [event.kind for event in judge_alarms(workspace, job, day(5), "corrected")] == ["resolved"]


@pytest.mark.parametrize("name", sorted(OF_CHECK))
def test_what_nightjar_check_has_raised_is_left_to_it(workspace: Workspace, job: Job, name: str) -> None:
    records = workspace.monitoring(job)
    log_alarm(records, day(0), signal=name)
    watch_nights(workspace, job, ".....")
    assert list(list_open(records.alarms.events())) == [name]


def test_every_signal_has_an_alarm_of_its_own(workspace: Workspace, job: Job) -> None:
    records = workspace.monitoring(job)
    for age, (first, second) in enumerate([("x", "."), ("x", "x"), (".", "x")]):
        records.write_observed(make_observed(day(age), make_signal(first), make_signal(second, "outputs.mean")))
        judge_alarms(workspace, job, day(age), "night")
    assert sorted(list_open(records.alarms.events())) == ["inputs.drift", "outputs.mean"]


@pytest.mark.parametrize(
    ("name", "flags", "asks"),
    [
        ("inputs.drift", "xx", True),
        ("accuracy.primary", "xx", True),
        ("operations.seconds", "xx", False),
        ("outputs.mean", "xx", False),
        ("inputs.drift", "xx...", False),
    ],
)
def test_drift_and_a_drop_in_accuracy_call_for_a_training(
    workspace: Workspace, job: Job, name: str, flags: str, asks: bool
) -> None:
    why = explain_training(watch_nights(workspace, job, flags, name)[-1:])
    assert why == (f"{name} was beyond its limit on several nights since {day(0)}" if asks else None)
