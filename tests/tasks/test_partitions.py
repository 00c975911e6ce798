"""Which partition a run works on: given, or the day on which its data interval starts; closed, and covered."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import load_contract
from pipeline.errors import BadInputError, NotReadyError
from pipeline.job import Job
from pipeline.stages.validate import frame_from_arrow, judge_rows
from pipeline.tasks.partitions import (
    check_closed,
    deliveries_ready,
    newest_closed_partition,
    parse_partition,
    resolve_partition,
    trailing_days,
)
from pipeline.tasks.workspace import Workspace
from tests.meter_readings.job import JOB as METERS_JOB
from tests.tasks.nights import LIVE

LATER = datetime(2030, 1, 1, tzinfo=UTC)


def in_zone(job: Job, zone: str) -> Job:
    return job.model_copy(update={"timezone": zone})


def resolve(job: Job, asked: str | None = None, start: datetime | None = None, now: datetime = LATER) -> str:
    return resolve_partition(job, asked=asked, data_interval_start=start, now=now, wait=False)


def test_a_partition_that_was_asked_for_wins(job: Job) -> None:
    assert resolve(job, "2024-03-01", datetime(2024, 3, 5, tzinfo=UTC)) == "2024-03-01"


def test_else_it_is_the_day_in_utc_on_which_the_data_interval_starts(job: Job) -> None:
    start = datetime(2024, 3, 5, tzinfo=UTC)
    assert resolve(job, start=start) == "2024-03-05"
    assert resolve(job, start=start.astimezone(ZoneInfo("America/New_York"))) == "2024-03-05"
    assert resolve(job, start=datetime(2024, 3, 5, 23, 30, tzinfo=timezone(-timedelta(hours=5)))) == "2024-03-06"


def test_a_run_that_nothing_is_known_of_is_refused(job: Job) -> None:
    with pytest.raises(BadInputError, match="needs the param partition") as caught:
        resolve(job)
    assert caught.value.job == job.name
    assert caught.value.next_step


def test_the_leap_day_is_a_partition(job: Job) -> None:
    assert resolve(job, "2024-02-29") == "2024-02-29"
    with pytest.raises(BadInputError, match="not a date"):
        resolve(job, "2025-02-29")


@pytest.mark.parametrize(
    "text",
    ["", "today", "20240301", "2024-3-1", "2024-W09-5", "2024-03-01T00:00", " 2024-03-01", "2024-13-01", "x" * 500],
)
def test_what_is_no_day_is_refused(job: Job, text: str) -> None:
    with pytest.raises(BadInputError, match="not a date") as caught:
        parse_partition(text, job)
    assert caught.value.expected == "YYYY-MM-DD"
    assert len(str(caught.value.found)) < 50


def test_days_that_upstream_does_not_cover_are_refused(job: Job) -> None:
    ended = job.model_copy(update={"last_partition": date(2024, 3, 31)})
    assert resolve(ended, "2024-03-31") == "2024-03-31"
    for day in ("2024-02-18", "2024-04-01"):
        with pytest.raises(BadInputError, match="does not cover") as caught:
            resolve(ended, day)
        assert caught.value.partition == day
        assert caught.value.expected == "2024-02-19 to 2024-03-31"


def test_an_open_partition_is_refused_unless_the_run_may_wait(job: Job) -> None:
    cutoff = job.cutoff(date(2024, 3, 5))
    just_before = cutoff - timedelta(microseconds=1)
    with pytest.raises(NotReadyError, match="still open") as caught:
        resolve(job, "2024-03-05", now=just_before)
    assert caught.value.partition == "2024-03-05"
    assert "2024-03-04" in str(caught.value.next_step)
    waiting = resolve_partition(job, asked="2024-03-05", data_interval_start=None, now=just_before, wait=True)
    assert waiting == resolve(job, "2024-03-05", now=cutoff) == "2024-03-05"


@pytest.mark.parametrize(
    ("zone", "partition", "cutoff"),
    [
        # A usual night: two hours after midnight.
        ("America/New_York", "2024-02-29", "2024-03-01T07:00:00+00:00"),
        # Clocks go from 02:00 to 03:00 in the night after the partition: 02:00 does not exist and 03:00 is meant.
        ("America/New_York", "2024-03-09", "2024-03-10T07:00:00+00:00"),
        ("America/New_York", "2024-03-10", "2024-03-11T06:00:00+00:00"),
        # Clocks go back from 03:00 to 02:00: the first of the two is meant.
        ("Europe/Berlin", "2024-10-26", "2024-10-27T00:00:00+00:00"),
        ("Europe/Berlin", "2024-10-27", "2024-10-28T01:00:00+00:00"),
        # Ahead of UTC the partition closes on its own day in UTC.
        ("Pacific/Auckland", "2024-04-06", "2024-04-06T13:00:00+00:00"),
        ("Pacific/Auckland", "2024-04-07", "2024-04-07T14:00:00+00:00"),
        # Half an hour, not a whole one.
        ("Australia/Lord_Howe", "2024-04-07", "2024-04-07T15:30:00+00:00"),
        ("Pacific/Kiritimati", "2024-12-31", "2024-12-31T12:00:00+00:00"),
    ],
)
def test_the_cutoff_in_nights_in_which_clocks_change(job: Job, zone: str, partition: str, cutoff: str) -> None:
    assert in_zone(job, zone).cutoff(date.fromisoformat(partition)).isoformat() == cutoff


@pytest.mark.parametrize(
    "zone", ["Pacific/Kiritimati", "Pacific/Auckland", "UTC", "America/New_York", "Pacific/Pago_Pago"]
)
def test_the_newest_closed_partition_is_closed_and_the_next_one_is_not(job: Job, zone: str) -> None:
    zoned = in_zone(job, zone)
    for hour in range(72):
        now = datetime(2024, 3, 9, tzinfo=UTC) + timedelta(hours=hour)
        newest = date.fromisoformat(newest_closed_partition(zoned, now))
        check_closed(zoned, newest, now)
        with pytest.raises(NotReadyError):
            check_closed(zoned, newest + timedelta(days=1), now)


def test_the_newest_closed_partition_is_never_beyond_what_upstream_has(job: Job) -> None:
    ended = job.model_copy(update={"last_partition": date(2024, 3, 31)})
    assert newest_closed_partition(ended, LATER) == "2024-03-31"


@given(st.dates(date(1975, 1, 1), date(2037, 1, 1)), st.sampled_from(sorted(available_timezones())), st.integers(0, 30))
def test_partitions_close_in_their_order_in_every_zone(day: date, zone: str, hours: int) -> None:
    """About a day apart: 23 or 25 hours where clocks change, none at all where a day was left out of the calendar."""
    job = METERS_JOB.model_copy(update={"timezone": zone, "close_after": timedelta(hours=hours)})
    apart = job.cutoff(day + timedelta(days=1)) - job.cutoff(day)
    assert timedelta(0) <= apart <= timedelta(hours=48)
    assert abs(job.cutoff(day) - datetime.combine(day, time(), UTC) - timedelta(hours=24 + hours)) <= timedelta(
        hours=16
    )


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2024-03-10", 23),
        ("America/New_York", "2024-11-03", 25),
        ("Europe/Berlin", "2024-03-31", 23),
        ("Europe/Berlin", "2024-10-27", 25),
        ("Asia/Tokyo", "2024-03-31", 24),
    ],
)
def test_days_of_23_and_25_hours(job: Job, zone: str, day: str, hours: int) -> None:
    """Closed at midnight, a partition is as long as its day."""
    zoned = in_zone(job, zone).model_copy(update={"close_after": timedelta()})
    this = date.fromisoformat(day)
    assert zoned.cutoff(this) - zoned.cutoff(this - timedelta(days=1)) == timedelta(hours=hours)


def test_of_an_hour_that_comes_twice_both_are_before_the_cutoff_after_them(job: Job) -> None:
    """01:30 in New York, before and after clocks went back, of a partition that closes at 02:00 that night."""
    zoned = in_zone(job, "America/New_York").model_copy(update={"close_after": timedelta(hours=2)})
    cutoff = zoned.cutoff(date(2024, 11, 2))
    first, second = (datetime(2024, 11, 3, 1, 30, fold=fold, tzinfo=ZoneInfo("America/New_York")) for fold in (0, 1))
    contract = load_contract(job.source("readings"))
    moments = [first, second, cutoff]
    table = pa.table(
        {
            "meter_id": [1, 2, 3],
            "region": ["north"] * 3,
            "kwh": [1.0] * 3,
            "read_at": pa.array([moment.astimezone(UTC) for moment in moments], pa.timestamp("us", "UTC")),
            "_row": [0, 1, 2],
        }
    )
    verdict = judge_rows(
        frame_from_arrow(table, contract), contract, key=("meter_id",), event_time="read_at", cutoff=cutoff
    )
    assert verdict.valid["meter_id"].tolist() == [1, 2]


def test_no_partition_has_closed_before_the_first(job: Job) -> None:
    with pytest.raises(NotReadyError, match="still open"):
        newest_closed_partition(job, datetime(2024, 2, 19, tzinfo=UTC))


def test_trailing_days_are_newest_first_and_begin_with_the_first_partition(job: Job) -> None:
    assert trailing_days(job, "2024-03-01", 3) == ["2024-03-01", "2024-02-29", "2024-02-28"]
    assert trailing_days(job, "2024-02-20", 7) == ["2024-02-20", "2024-02-19"]
    assert trailing_days(job, "2024-02-20", 0) == []
    assert trailing_days(job, "2025-01-01", 2) == ["2025-01-01", "2024-12-31"]


@given(st.dates(date(2024, 3, 1), date(2040, 1, 1)), st.integers(1, 800))
def test_trailing_days_leave_none_out_over_leap_days_and_years(newest: date, length: int) -> None:
    days = [date.fromisoformat(day) for day in trailing_days(METERS_JOB, newest.isoformat(), length)]
    assert days[0] == newest
    assert all(later - earlier == timedelta(days=1) for later, earlier in pairwise(days))
    assert len(days) == min(length, (newest - METERS_JOB.first_partition).days + 1)


def test_an_older_partition_without_deliveries_fails_at_once(workspace: Workspace, job: Job) -> None:
    with pytest.raises(NotReadyError, match="no delivery of meters, readings, tariffs by the deadline"):
        deliveries_ready(workspace, job, LIVE)
