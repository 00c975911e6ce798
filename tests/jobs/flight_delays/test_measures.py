"""The flight job's measures: storms and holidays break none of what holds between values, faults do."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import pandas as pd
import pytest

from pipeline.jobs.flight_delays.job import JOB
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from pipeline.measures import AGE, load_measures
from tests.jobs.flight_delays.test_contracts import judge, read_frame

ORDINARY = date(2013, 4, 10)
STORMS = [date(2013, 2, 8), date(2013, 2, 9), date(2013, 3, 8), date(2013, 6, 13)]


@cache
def read_valid(upstream: FlightUpstream, source: str, day: date) -> pd.DataFrame:
    return judge(read_frame(upstream, source, day), source, day).valid


def measure(upstream: FlightUpstream, source: str, day: date, rows: pd.DataFrame | None = None) -> dict[str, float]:
    """Every measure of a night's delivery, or of ``rows`` in its place."""
    tonight = read_valid(upstream, source, day) if rows is None else rows
    found = {}
    for item in load_measures(JOB.source(source)):
        before = tonight.iloc[:0]
        if item.reference is not None:
            other = item.reference.source
            days = [
                read_valid(upstream, other, day - timedelta(days=age)).assign(**{AGE: age})
                for age in item.reference.ages
            ]
            before = pd.concat(days, ignore_index=True)
        found[item.name] = item.compute(tonight, before, day)
    return found


@pytest.mark.parametrize("day", [ORDINARY, *STORMS])
def test_hardly_a_row_contradicts_itself_whatever_the_weather(upstream: FlightUpstream, day: date) -> None:
    flights, weather = measure(upstream, "flights", day), measure(upstream, "weather", day)
    assert max(flights[name] for name in ("distance", "plan_changed", "delivered_before", "known_off")) == 0
    assert flights["planned_absent"] < 0.04
    assert max(weather[name] for name in ("off_day", "wind_off_knots", "visib_beyond", "pressure_apart")) == 0
    assert max(weather.values()) < 0.1


def test_a_schedule_is_like_those_before(upstream: FlightUpstream) -> None:
    found = measure(upstream, "schedule", ORDINARY)
    assert found.pop("repeated") < 0.99
    assert max(found.values()) < 0.05


@pytest.mark.parametrize(
    ("source", "name", "column", "factor"),
    [
        ("flights", "known_off", "arr_delay", 1 / 60),
        ("flights", "distance", "distance", 1.609),
        ("schedule", "distance", "distance", 1.609),
        ("weather", "wind_off_knots", "wind_speed", 0.447),
        ("weather", "humid_off", "humid", 0.01),
        ("weather", "visib_beyond", "visib", 1.609),
    ],
)
def test_another_unit_in_a_third_of_the_rows_shows(
    upstream: FlightUpstream, source: str, name: str, column: str, factor: float
) -> None:
    rows = read_valid(upstream, source, ORDINARY)
    values = rows[column].astype("float64")
    hit = pd.Series(range(len(rows)), index=rows.index) % 3 == 0
    found = measure(upstream, source, ORDINARY, rows.assign(**{column: values.where(~hit, values * factor)}))
    assert found[name] > 0.2


@pytest.mark.parametrize("source", ["schedule", "flights", "weather"])
def test_a_file_that_comes_again_with_new_dates_shows(upstream: FlightUpstream, source: str) -> None:
    week = read_valid(upstream, source, ORDINARY - timedelta(days=7))
    assert measure(upstream, source, ORDINARY, week)["repeated"] > 0.95


@pytest.mark.parametrize("state", ["cancelled", "diverted"])
def test_late_flights_that_come_as_something_else_show(upstream: FlightUpstream, state: str) -> None:
    rows = read_valid(upstream, "flights", ORDINARY)
    late = rows["arr_delay"] > 15
    lost = ["arr_delay", "dep_delay"] if state == "cancelled" else ["arr_delay"]
    changed = rows.assign(**{state: rows[state] | late}, **{name: rows[name].mask(late) for name in lost})
    assert measure(upstream, "flights", ORDINARY, changed)["known_off"] > 0.05


def test_what_did_not_come_shows(upstream: FlightUpstream) -> None:
    flights = read_valid(upstream, "flights", ORDINARY)
    assert measure(upstream, "flights", ORDINARY, flights.iloc[::2])["planned_absent"] > 0.4
    schedule = read_valid(upstream, "schedule", ORDINARY)
    assert measure(upstream, "schedule", ORDINARY, schedule.sample(frac=0.7, random_state=1))["route_absent"] > 0.06


def test_an_airport_on_the_other_side_of_the_world_shows(upstream: FlightUpstream) -> None:
    (item,) = load_measures(JOB.source("airports"))
    airports = read_frame(upstream, "airports", JOB.first_partition)
    moved = airports.assign(lon=-airports["lon"])
    assert item.compute(moved, airports.assign(**{AGE: 1}), ORDINARY) > 0.99
    assert item.compute(airports, airports.assign(**{AGE: 1}), ORDINARY) == 0
