"""The flight job's contracts: real deliveries pass, and a row that cannot be is refused in plain words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest

from pipeline.contracts import REASONS, load_contract
from pipeline.job import Role
from pipeline.jobs.flight_delays.job import FIRST_PARTITION, JOB
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from pipeline.stages.ingest import cast_columns, check_columns, number_rows
from pipeline.stages.validate import Verdict, frame_from_arrow, judge_rows

PARTITION = date(2013, 4, 10)
WIND_OUT_OF_RANGE = date(2013, 2, 12)


def read_frame(upstream: FlightUpstream, source: str, partition: date) -> pd.DataFrame:
    contract = load_contract(JOB.source(source))
    delivered = upstream.deliver(source, partition)
    assert delivered is not None
    check_columns(delivered.schema, contract.arrow_schema(), JOB.source(source).schema_policy)
    return frame_from_arrow(number_rows(cast_columns(delivered, contract.arrow_schema()), 0), contract)


def judge(rows: pd.DataFrame, source: str, partition: date) -> Verdict:
    declared = JOB.source(source)
    return judge_rows(
        rows,
        load_contract(declared),
        key=declared.key,
        event_time=declared.event_time,
        cutoff=JOB.cutoff(partition),
        entity_id=JOB.entity_id if declared.role is Role.POPULATION else None,
    )


@pytest.mark.parametrize("source", [source.name for source in JOB.sources])
@pytest.mark.parametrize("partition", [FIRST_PARTITION, date(2013, 2, 8), PARTITION])
def test_real_deliveries_pass_whole(upstream: FlightUpstream, source: str, partition: date) -> None:
    if JOB.source(source).role is Role.DIMENSION:
        partition = FIRST_PARTITION
    rows = read_frame(upstream, source, partition)
    verdict = judge(rows, source, partition)
    assert len(verdict.valid) == len(rows)


def test_a_broken_wind_gauge_is_the_one_row_of_the_year_that_is_refused(upstream: FlightUpstream) -> None:
    verdict = judge(read_frame(upstream, "weather", WIND_OUT_OF_RANGE), "weather", WIND_OUT_OF_RANGE)
    assert [list(reasons) for reasons in verdict.quarantined[REASONS]] == [["wind_speed: must be from 0 to 150 mph"]]
    assert len(verdict.quarantined) / (len(verdict.valid) + 1) < JOB.source("weather").max_quarantined


@pytest.mark.parametrize(
    ("source", "changes", "reason"),
    [
        ("schedule", {"flight_id": "UA-EWR-2013-04-11"}, "a flight id such as UA1545-EWR-2013-04-02"),
        ("schedule", {"flight_id": "ZZ1-EWR-2013-04-11"}, "flight_id must agree with carrier, flight, origin and the"),
        (
            "schedule",
            {"scheduled_departure": pd.Timestamp("2013-04-11 03:59", tz="UTC")},
            "flight_id must agree with carrier, flight, origin and the local date",
        ),
        ("schedule", {"carrier": "ua"}, "a carrier code of two letters or digits"),
        ("schedule", {"carrier": "UA\n"}, "a carrier code of two letters or digits"),
        ("schedule", {"flight": 0}, "must be from 1 to 9999"),
        ("schedule", {"origin": "PHL"}, "must be one of EWR, JFK, LGA"),
        ("schedule", {"dest": "Boston"}, "an airport code of three letters or digits"),
        ("schedule", {"origin": "JFK", "dest": "JFK"}, "origin and dest must differ"),
        ("schedule", {"scheduled_hour": 24}, "must be from 0 to 23"),
        ("schedule", {"distance": -1}, "must be from 10 to 6000 miles"),
        (
            "schedule",
            {"scheduled_arrival": pd.Timestamp("2013-04-10", tz="UTC")},
            "scheduled_arrival must come after scheduled_departure",
        ),
        ("flights", {"arr_delay": 5000.0}, "must be from -180 to 2880 minutes"),
        ("flights", {"cancelled": True}, "delays must be there unless"),
        ("flights", {"dep_delay": None}, "delays must be there unless"),
        ("flights", {"tailnum": "?"}, "a tail number of five or six letters or digits"),
        ("flights", {"known_at": pd.Timestamp("2013-04-09", tz="UTC")}, "known_at must not come before"),
        ("flights", {"known_at": pd.Timestamp("2013-04-11 08:00", tz="UTC")}, "became known after the cutoff"),
        ("weather", {"temp": 451.0}, "must be from -40 to 125 °F"),
        ("weather", {"humid": 101.0}, "must be from 0 to 100 %"),
    ],
)
def test_a_row_that_cannot_be_is_refused_in_plain_words(
    upstream: FlightUpstream, source: str, changes: dict[str, Any], reason: str
) -> None:
    rows = read_frame(upstream, source, PARTITION)
    landed = rows["arr_delay"].notna() if source == "flights" else rows["origin"].notna()
    position = int(landed.to_numpy().argmax())
    for column, value in changes.items():
        rows.loc[position, column] = value
    verdict = judge(rows, source, PARTITION)
    assert list(verdict.quarantined["_row"]) == [position]
    assert any(reason in text for text in verdict.quarantined[REASONS].iloc[0])
