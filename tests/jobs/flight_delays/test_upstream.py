"""The flight job's upstream: what it delivers, when, and that nothing comes before it could be known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.errors import BadInputError, NotReadyError
from pipeline.jobs.flight_delays.job import FIRST_PARTITION, JOB, LAST_PARTITION
from pipeline.jobs.flight_delays.upstream import FlightUpstream, find_data_folder, find_next, localize, read_table
from pipeline.stores.parquet import encode_parquet
from tests.jobs.flight_delays.conftest import MakeUpstream

PARTITION = date(2013, 4, 10)
OUTCOMES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum")


def all_partitions() -> list[date]:
    days = (LAST_PARTITION - FIRST_PARTITION).days + 1
    return [FIRST_PARTITION + timedelta(days=number) for number in range(days)]


def to_bytes(table: pa.Table | None) -> bytes:
    """What a delivery lands."""
    assert table is not None
    return encode_parquet(table)


def alter_outcomes(rows: pd.DataFrame, after: date, seed: int) -> pd.DataFrame:
    """Deal the outcomes of all flights scheduled after a day out anew, take some away, and shuffle the rows."""
    random = np.random.default_rng(seed)
    altered = rows.copy()
    later = np.flatnonzero(rows["day"].astype(int) > after.day)
    outcomes = altered.loc[random.permutation(later), list(OUTCOMES)].to_numpy()
    outcomes[random.random(len(outcomes)) < 0.3] = "NA"
    outcomes[random.random(len(outcomes)) < 0.1, -1] = "N00000"
    altered.loc[later, list(OUTCOMES)] = outcomes
    assert (altered.loc[later, list(OUTCOMES)] != rows.loc[later, list(OUTCOMES)]).mean().min() > 0.1
    return altered.sample(frac=1, random_state=seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_outcome_of_a_later_day_reaches_a_partition(
    raw_flights: pd.DataFrame, make_upstream: MakeUpstream, seed: int
) -> None:
    """Whatever happens to tomorrow's flights, whichever plane flies, today's deliveries keep every byte."""
    truth = make_upstream(raw_flights)
    altered = make_upstream(alter_outcomes(raw_flights, PARTITION, seed))
    for source in ("schedule", "flights"):
        expected = truth.deliver(source, PARTITION)
        assert expected is not None
        assert expected.num_rows > 500
        assert to_bytes(altered.deliver(source, PARTITION)) == to_bytes(expected)


def test_the_schedule_has_planned_columns_only(upstream: FlightUpstream) -> None:
    """A tail number is an outcome too: the flights without one were all cancelled."""
    schedule = upstream.deliver("schedule", PARTITION)
    assert schedule is not None
    assert schedule.column_names == [
        "flight_id",
        "carrier",
        "flight",
        "origin",
        "dest",
        "scheduled_departure",
        "scheduled_arrival",
        "scheduled_hour",
        "scheduled_minute",
        "distance",
    ]


def test_the_schedule_holds_all_flights_of_the_next_day(upstream: FlightUpstream, raw_flights: pd.DataFrame) -> None:
    schedule = upstream.deliver("schedule", PARTITION)
    assert schedule is not None
    expected = raw_flights[raw_flights["day"] == str(PARTITION.day + 1)]
    ids = expected["carrier"] + expected["flight"] + "-" + expected["origin"] + "-2013-04-11"
    assert schedule["flight_id"].to_pylist() == sorted(ids)


def test_every_outcome_is_delivered_once_and_in_the_partition_in_which_it_became_known(
    upstream: FlightUpstream,
) -> None:
    """Over the whole year no outcome comes at or after its partition's cutoff, or before the last one's."""
    seen: list[str] = []
    for partition in all_partitions():
        rows = upstream.deliver("flights", partition)
        assert rows is not None
        known_at = rows["known_at"].to_pandas()
        assert known_at.max() < JOB.cutoff(partition)
        assert known_at.min() >= JOB.cutoff(partition - timedelta(days=1))
        seen += rows["flight_id"].to_pylist()
    assert len(seen) == len(set(seen))
    flown_later = 336_776 - len(seen)
    assert flown_later == (upstream._history["known_at"] >= JOB.cutoff(all_partitions()[-1])).sum()


def test_every_outcome_follows_the_score(upstream: FlightUpstream) -> None:
    """A flight is scored in the partition before its day; what becomes of it is known one or two partitions later."""
    assert JOB.label.closes_after == 2
    for partition in (date(2013, 1, 1), date(2013, 2, 8), date(2013, 7, 10), date(2013, 12, 20)):
        schedule = upstream.deliver("schedule", partition)
        assert schedule is not None
        open_ids = set(schedule["flight_id"].to_pylist())
        for days in range(JOB.label.closes_after + 1):
            rows = upstream.deliver("flights", partition + timedelta(days=days))
            assert rows is not None
            found = open_ids & set(rows["flight_id"].to_pylist())
            assert (len(found) > 0) if days == 1 else (len(found) < 30)
            assert days or not found
            open_ids -= found
        assert not open_ids


def test_arrival_times_agree_with_planned_times_and_delays(upstream: FlightUpstream) -> None:
    """Two independent ways to the same moment, across all time zones; two flights' own numbers disagree."""
    rows = upstream._history
    labelled = rows[rows["arr_delay"].notna()]
    expected = labelled["scheduled_arrival"] + pd.to_timedelta(labelled["arr_delay"], unit="min")
    assert len(labelled) == 327_346
    assert (labelled["known_at"] != expected).sum() == 2


def test_between_departure_and_arrival_is_the_time_in_the_air(upstream: FlightUpstream) -> None:
    """With clocks read in the wrong zone it would be hours off; what is left is taxiing."""
    rows = upstream._history
    air_time = read_table(find_data_folder() / "flights.csv.zip")["air_time"].to_pandas()
    minutes = (rows["known_at"] - rows["scheduled_departure"]).dt.total_seconds() / 60
    taxiing = (minutes - rows["dep_delay"] - air_time).dropna()
    assert len(taxiing) == 327_346
    assert taxiing.between(5, 240).all()


def test_cancelled_and_diverted_flights_have_no_arrival_delay(upstream: FlightUpstream) -> None:
    rows = upstream._history
    assert rows["cancelled"].sum() == 8_255
    assert rows["diverted"].sum() == 1_175
    assert (rows["arr_delay"].isna() == (rows["cancelled"] | rows["diverted"])).all()


def test_a_day_of_weather_is_the_local_day(upstream: FlightUpstream) -> None:
    rows = upstream.deliver("weather", PARTITION)
    assert rows is not None
    local = rows["observed_at"].to_pandas().dt.tz_convert("America/New_York")
    assert rows.num_rows == 72
    assert set(local.dt.date) == {PARTITION}
    assert (local.dt.hour == rows["hour"].to_pandas()).all()


@pytest.mark.parametrize("source", ["planes", "airports", "airlines"])
def test_a_dimension_is_delivered_on_the_first_partition_alone(upstream: FlightUpstream, source: str) -> None:
    delivered = upstream.deliver(source, FIRST_PARTITION)
    assert delivered is not None
    assert delivered.num_rows > 10
    assert upstream.deliver(source, FIRST_PARTITION + timedelta(days=1)) is None


def test_the_same_call_gives_the_same_bytes(upstream: FlightUpstream) -> None:
    again = FlightUpstream()
    for source in upstream.sources:
        assert to_bytes(again.deliver(source, FIRST_PARTITION)) == to_bytes(upstream.deliver(source, FIRST_PARTITION))


@pytest.mark.parametrize(
    ("source", "partition"),
    [("schedule", date(2012, 12, 31)), ("schedule", date(2013, 12, 31)), ("pilots", PARTITION)],
)
def test_what_upstream_does_not_have_is_refused(upstream: FlightUpstream, source: str, partition: date) -> None:
    with pytest.raises(BadInputError, match="2013-01-01 to 2013-12-30"):
        upstream.deliver(source, partition)


def test_a_missing_package_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(NotReadyError, match=r"(?s)make demo.*requirements/flights\.lock"):
        find_data_folder("no_such_package")


def test_clocks_are_read_in_the_zone_of_the_airport_and_on_the_day_after_if_need_be() -> None:
    after = pd.Series(pd.to_datetime(["2013-04-01 23:00", "2013-04-01 23:00", "2013-11-03 04:30"], utc=True))
    clock = pd.Series([2400.0, 1859.0, np.nan])
    zone = pd.Series(["America/New_York", "America/New_York", "America/Chicago"])
    found = find_next(clock, after, zone)
    assert found[0] == pd.Timestamp("2013-04-02 04:00", tz="UTC")
    assert found[1] == pd.Timestamp("2013-04-02 22:59", tz="UTC")
    assert pd.isna(found[2])


def test_clocks_that_are_turned_are_read_the_later_way() -> None:
    wall = pd.Series(pd.to_datetime(["2013-11-03 01:30", "2013-03-10 02:30"]))
    found = localize(wall, "America/New_York")
    assert list(found) == [pd.Timestamp("2013-11-03 06:30", tz="UTC"), pd.Timestamp("2013-03-10 07:00", tz="UTC")]
