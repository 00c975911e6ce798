"""Backfills of jobs west and east of UTC: whoever asks, from wherever, gets the very nights that were asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightjar_plugin import asked_days
from tests.dags.scheduler import Scheduler

NEW_YORK, TOKYO = "nightly_scoring_rides_new_york", "nightly_scoring_rides_tokyo"
NIGHTS = ["2024-03-09", "2024-03-10", "2024-03-11"]
"""Clocks go forward in New York in the night after the first of them."""


def as_the_form_sends(first: str, last: str, zone: str) -> dict[str, str]:
    """What the backfill form of the UI makes of two days while it shows times in ``zone``.

    In its source: ``(endOfDay ? day.endOf("day") : day.startOf("day")).tz(selectedTimezone, true).toISOString()``; the
    second date input has ``endOfDay``, and ``selectedTimezone`` is that of the browser until somebody chooses another.
    """
    start = datetime.combine(date.fromisoformat(first), time(), ZoneInfo(zone))
    end = datetime.combine(date.fromisoformat(last), time(23, 59, 59, 999_000), ZoneInfo(zone))
    return {"from_date": as_iso_string(start), "to_date": as_iso_string(end)}


def as_iso_string(moment: datetime) -> str:
    """``Date.toISOString``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def resolve_all(scheduler: Scheduler, dag_id: str) -> list[str | None]:
    """The partition of each run, in the order in which they were made; None where resolving failed."""
    return [scheduler.run_task(run, "resolve_partition")[1] for run in scheduler.list_runs(dag_id)]


def order(scheduler: Scheduler, dag_id: str, bounds: dict[str, str], **options: Any) -> None:
    answer = scheduler.rest.post("/api/v2/backfills", json={"dag_id": dag_id, **bounds, **options})
    assert answer.status_code == 200, answer.text
    scheduler.end_backfills()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo", "Europe/Berlin"])
@pytest.mark.parametrize("dag_id", [NEW_YORK, TOKYO])
def test_from_the_ui_in_whatever_zone_it_shows(scheduler: Scheduler, dag_id: str, zone: str) -> None:
    order(scheduler, dag_id, as_the_form_sends(NIGHTS[0], NIGHTS[-1], zone))
    assert resolve_all(scheduler, dag_id) == NIGHTS


@pytest.mark.parametrize("dag_id", [NEW_YORK, TOKYO])
def test_the_form_says_beforehand_how_many_there_are(scheduler: Scheduler, dag_id: str) -> None:
    bounds = as_the_form_sends(NIGHTS[0], NIGHTS[-1], "America/New_York")
    answer = scheduler.rest.post("/api/v2/backfills/dry_run", json={"dag_id": dag_id, **bounds})
    assert answer.json()["total_entries"] == len(NIGHTS)
    assert scheduler.list_runs(dag_id) == []


@pytest.mark.parametrize("clock", ["", "T00:00:00", "T00:00:00+00:00", "T00:00:00+09:00", "T00:00:00-05:00"])
@pytest.mark.parametrize("dag_id", [NEW_YORK, TOKYO])
def test_from_the_command_line_with_naive_days_and_with_zones(scheduler: Scheduler, dag_id: str, clock: str) -> None:
    bounds = ["--from-date", NIGHTS[0] + clock, "--to-date", NIGHTS[-1] + clock]
    scheduler.run_command("backfill", "create", "--dag-id", dag_id, *bounds)
    assert resolve_all(scheduler, dag_id) == NIGHTS


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2024-03-09T00:00:00Z", "2024-03-11T00:00:00Z"),
        ("2024-03-09T00:00:00+09:00", "2024-03-11T00:00:00+09:00"),
        # New York before and after its clocks went forward.
        ("2024-03-09T00:00:00-05:00", "2024-03-11T00:00:00-04:00"),
        ("2024-03-09T00:00:00Z", "2024-03-11T23:59:59Z"),
        ("2024-03-09T00:00:00Z", "2024-03-11T18:30:00Z"),
    ],
)
@pytest.mark.parametrize("dag_id", [NEW_YORK, TOKYO])
def test_from_rest_in_utc_and_in_zones(scheduler: Scheduler, dag_id: str, first: str, last: str) -> None:
    order(scheduler, dag_id, {"from_date": first, "to_date": last})
    assert resolve_all(scheduler, dag_id) == NIGHTS


@pytest.mark.parametrize(
    ("dag_id", "first", "last", "nights"),
    [
        (TOKYO, "2024-02-28", "2024-03-01", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        (NEW_YORK, "2024-02-29", "2024-02-29", ["2024-02-29"]),
        ("nightly_scoring_tide_levels", "2024-11-02", "2024-11-04", ["2024-11-02", "2024-11-03", "2024-11-04"]),
        ("nightly_scoring_tide_levels", "2024-12-31", "2025-01-01", ["2024-12-31", "2025-01-01"]),
    ],
    ids=["leap day in Tokyo", "leap day alone", "25 hours in New York", "year's end"],
)
def test_days_that_are_longer_rarer_or_the_last(
    scheduler: Scheduler, dag_id: str, first: str, last: str, nights: list[str]
) -> None:
    order(scheduler, dag_id, as_the_form_sends(first, last, "America/New_York"))
    assert resolve_all(scheduler, dag_id) == nights


def test_the_same_days_asked_for_in_another_zone_are_the_same_runs(scheduler: Scheduler) -> None:
    order(scheduler, TOKYO, as_the_form_sends(NIGHTS[0], NIGHTS[-1], "Asia/Tokyo"))
    scheduler.end_runs(TOKYO)
    order(
        scheduler,
        TOKYO,
        as_the_form_sends(NIGHTS[0], NIGHTS[-1], "America/New_York"),
        reprocess_behavior="completed",
    )
    assert resolve_all(scheduler, TOKYO) == NIGHTS


ZONES = st.sampled_from(
    ["UTC", "America/New_York", "Asia/Tokyo", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Honolulu"]
)
DAYS = st.dates(date(2000, 1, 1), date(2040, 1, 1))


@given(DAYS, st.integers(0, 40), ZONES, ZONES)
def test_the_days_of_the_form_are_the_days_asked_for(first: date, more: int, shown: str, zone: str) -> None:
    last = first + timedelta(days=more)
    bounds = as_the_form_sends(first.isoformat(), last.isoformat(), shown)
    earliest, latest = (datetime.fromisoformat(bounds[name]) for name in ("from_date", "to_date"))
    assert asked_days(earliest, latest, ZoneInfo(zone)) == (first, last)


@given(DAYS, st.integers(0, 40), ZONES, ZONES)
def test_the_end_of_a_day_may_be_its_last_minute(first: date, more: int, shown: str, zone: str) -> None:
    """That is what the form sends of a day that was chosen, and then another."""
    last = first + timedelta(days=more)
    earliest = datetime.combine(first, time(), ZoneInfo(shown))
    latest = datetime.combine(last, time(23, 59), ZoneInfo(shown))
    found = asked_days(earliest.astimezone(UTC), latest.astimezone(UTC), ZoneInfo(zone))
    assert found == (first, last)


@given(DAYS, st.integers(0, 40), st.sampled_from(["Pacific/Auckland", "Pacific/Kiritimati", "Pacific/Pago_Pago"]))
def test_far_from_utc_the_job_s_own_midnights_are_understood(first: date, more: int, zone: str) -> None:
    """Of another zone's, 13 and 14 hours ahead of UTC cannot be told from 11 and 10 behind."""
    last = first + timedelta(days=more)
    earliest, latest = (datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in (first, last))
    assert asked_days(earliest, latest, ZoneInfo(zone)) == (first, last)
