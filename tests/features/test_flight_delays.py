"""The flight features: what each row feature means, and that a night's are built from plans and the past alone."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.quality import History
from features.flight_delays import (
    FEATURES,
    afternoon_pressure,
    departure_minutes,
    departure_weekday,
    evening_pressure,
    flight_code,
    is_hazy,
    is_late,
    is_late_evening,
    is_wet,
    morning_pressure,
    planned_minutes,
)
from pipeline.job import Role
from pipeline.jobs.flight_delays.job import JOB

PARTITION = date(2013, 1, 9)


@pytest.fixture(scope="module")
def history() -> History:
    return History()


def test_late_means_more_than_fifteen_minutes() -> None:
    found = is_late(pd.Series([15.0, 16.0, -20.0, np.nan]))
    assert found.tolist()[:3] == [0.0, 1.0, 0.0]
    assert np.isnan(found[3])


def test_the_evening_starts_at_five() -> None:
    found = is_late_evening(pd.Series([1.0, 0.0, 1.0]), pd.Series([16, 17, 23]))
    assert np.isnan(found[0])
    assert found.tolist()[1:] == [0.0, 1.0]


def test_weather_of_the_evening_is_that_from_six_on() -> None:
    found = evening_pressure(pd.Series([1010.0, 1020.0]), pd.Series([17, 18]))
    assert np.isnan(found[0])
    assert found[1] == 1020.0


def test_pressure_is_told_by_morning_afternoon_and_evening() -> None:
    """Every hour belongs to one of them, so that their differences are the day's rise and fall."""
    hour = pd.Series(range(24))
    pressure = pd.Series(np.full(24, 1013.0))
    parts = [part(pressure, hour) for part in (morning_pressure, afternoon_pressure, evening_pressure)]
    assert [part.notna().to_numpy().nonzero()[0].tolist() for part in parts] == [
        list(range(12)),
        list(range(12, 18)),
        list(range(18, 24)),
    ]


def test_an_hour_is_wet_or_hazy_or_not_known_to_be() -> None:
    wet = is_wet(pd.Series([0.0, 0.01, np.nan]))
    hazy = is_hazy(pd.Series([5.0, 4.0, np.nan]))
    for found in (wet, hazy):
        assert found.tolist()[:2] == [0.0, 1.0]
        assert np.isnan(found[2])


def test_a_flight_code_is_carrier_and_number() -> None:
    assert flight_code(pd.Series(["UA"]), pd.Series([1545])).tolist() == ["UA1545"]


def test_times_of_departure_are_local() -> None:
    """21:30 on a Sunday in New York is Monday in UTC."""
    departure = pd.Series([pd.Timestamp("2013-04-08 01:30", tz="UTC")])
    assert departure_weekday(departure).tolist() == [6]
    assert departure_minutes(pd.Series([21]), pd.Series([30])).tolist() == [1290]
    assert planned_minutes(departure, departure + pd.Timedelta(minutes=95)).tolist() == [95.0]


def test_every_source_of_a_feature_is_the_job_s() -> None:
    for aggregate in FEATURES.aggregates:
        assert JOB.source(aggregate.source).role is not Role.DIMENSION
    for lookup in FEATURES.lookups:
        assert JOB.source(lookup.source).role is Role.DIMENSION


def test_a_night_is_built_whole(history: History) -> None:
    """Every flight of the schedule, in its order, and every feature, hardly any of them missing."""
    built = history.build_features(PARTITION)
    schedule = history.read_rows("schedule", PARTITION)
    assert built["flight_id"].tolist() == schedule["flight_id"].tolist()
    assert list(built.columns) == ["flight_id", *(feature.name for feature in FEATURES.columns)]
    assert built.isna().mean().max() < 0.05


def test_the_destination_is_looked_up(history: History) -> None:
    built = history.build_features(PARTITION)
    place = built.loc[built["dest"] == "SEA", ["dest_lat", "dest_lon"]].drop_duplicates()
    assert place.to_numpy().round().tolist() == [[47.0, -122.0]]


def test_yesterday_s_late_rate_is_that_of_what_became_known_yesterday(history: History) -> None:
    """The smoothed mean, worked out here without tiles."""
    flights = history.read_rows("flights", PARTITION)
    labelled = flights[flights["arr_delay"].notna()]
    late = labelled["arr_delay"] > 15
    of_airport = late[labelled["origin"] == "JFK"]
    expected = (of_airport.sum() + 20 * late.mean()) / (len(of_airport) + 20)
    built = history.build_features(PARTITION)
    found = built.loc[built["origin"] == "JFK", "is_late_mean_by_origin_1d"].unique()
    assert found == pytest.approx([expected], rel=1e-12)


def test_today_s_late_rate_of_all_airports_is_one_number_a_night(history: History) -> None:
    delays = history.read_rows("flights", PARTITION)["arr_delay"].dropna()
    built = history.build_features(PARTITION)
    assert built["is_late_mean_by_all_1d"].unique() == pytest.approx([(delays > 15).mean()], rel=1e-12)


def test_the_weather_of_the_day_is_that_of_the_airport(history: History) -> None:
    weather = history.read_rows("weather", PARTITION)
    here = weather[weather["origin"] == "LGA"]
    built = history.build_features(PARTITION)
    of_airport = built[built["origin"] == "LGA"]
    assert of_airport["is_hazy_mean_by_origin_1d"].unique() == pytest.approx([(here["visib"] < 5).mean()], rel=1e-12)
    assert of_airport["is_wet_mean_by_origin_1d"].unique() == pytest.approx([(here["precip"] > 0).mean()], rel=1e-12)


def test_the_label_is_known_after_the_night(history: History) -> None:
    """What the night is scored with comes from partitions up to its own, and its labels from later ones."""
    examples = history.read_examples(PARTITION, PARTITION + timedelta(days=2))
    assert len(examples) > 800
    assert set(examples["label"]) == {0.0, 1.0}
    with pytest.raises(ValueError, match="concatenate"):
        history.read_examples(PARTITION, PARTITION)
