"""The flight job's suites: the nights of 2013 pass them, storms as drift, and a night that is none is stopped."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import pandas as pd
import pytest

from pipeline.contracts import load_contract, load_suite
from pipeline.job import Role
from pipeline.jobs.flight_delays.job import FIRST_PARTITION, JOB
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from pipeline.measures import PREFIX, load_measures
from pipeline.stages.judge_batch import BatchVerdict, judge_batch
from pipeline.stages.profile import Profile, profile_frame, profile_table, profiled_columns
from tests.jobs.flight_delays.test_contracts import judge, read_frame

JUDGED = [source.name for source in JOB.sources if source.suite and source.role is not Role.DIMENSION]
STORM = date(2013, 2, 8)
ORDINARY = date(2013, 4, 10)


def judge_night(
    upstream: FlightUpstream, source: str, partition: date, trailing: int, rows: pd.DataFrame | None = None
) -> BatchVerdict:
    """The verdict on a partition of real data, or on ``rows`` in its place, beside real trailing partitions.

    Nothing contradicts itself: ``test_measures.py`` is about that.
    """
    tonight = read_valid(upstream, source, partition) if rows is None else rows
    before = [read_profile(upstream, source, partition - timedelta(days=age)) for age in range(1, trailing + 1)]
    suite = load_suite(JOB.source(source), trailing)
    assert suite is not None
    table = profile_table(make_profile(tonight, source), before, suite.profile_columns)
    measures = dict.fromkeys((item.column for item in load_measures(JOB.source(source))), 0.0)
    return judge_batch(suite, tonight, len(tonight), table.assign(**measures))


@cache
def read_profile(upstream: FlightUpstream, source: str, partition: date) -> Profile:
    return make_profile(read_valid(upstream, source, partition), source)


@cache
def read_valid(upstream: FlightUpstream, source: str, partition: date) -> pd.DataFrame:
    return judge(read_frame(upstream, source, partition), source, partition).valid


def make_profile(rows: pd.DataFrame, source: str) -> Profile:
    declared = JOB.source(source)
    return profile_frame(rows, profiled_columns(load_contract(declared), declared.key))


@pytest.mark.parametrize("source", JUDGED)
@pytest.mark.parametrize(
    ("partition", "trailing"), [(FIRST_PARTITION, 0), (date(2013, 1, 4), 3), (STORM, 14), (ORDINARY, 14)]
)
def test_real_nights_pass(upstream: FlightUpstream, source: str, partition: date, trailing: int) -> None:
    verdict = judge_night(upstream, source, partition, trailing)
    assert verdict.success, verdict.blocking
    assert verdict.evaluated == verdict.planned > 5


def test_an_ordinary_night_passes_without_a_warning(upstream: FlightUpstream) -> None:
    for source in JUDGED:
        verdict = judge_night(upstream, source, ORDINARY, 14)
        assert verdict.warnings == verdict.drifts == ()


def test_a_storm_is_drift_and_no_fault(upstream: FlightUpstream) -> None:
    verdict = judge_night(upstream, "flights", STORM, 14)
    assert verdict.success
    assert not verdict.warnings
    assert any("null_share.arr_delay" in str(drift) for drift in verdict.drifts)


@pytest.mark.parametrize("source", [source.name for source in JOB.sources if source.measures])
def test_every_measure_is_judged_under_its_name(source: str) -> None:
    suite = load_suite(JOB.source(source), 14)
    assert suite is not None
    judged = {name for name in suite.profile_columns if name.startswith(PREFIX)}
    assert judged == {item.column for item in load_measures(JOB.source(source))}


@pytest.mark.parametrize("source", JUDGED)
def test_a_third_of_a_night_is_stopped(upstream: FlightUpstream, source: str) -> None:
    rows = read_valid(upstream, source, ORDINARY).iloc[::3]
    verdict = judge_night(upstream, source, ORDINARY, 14, rows)
    assert not verdict.success
    assert any("rows" in str(failure) for failure in verdict.blocking)


@pytest.mark.parametrize("source", JUDGED)
def test_a_night_without_an_airport_is_stopped(upstream: FlightUpstream, source: str) -> None:
    rows = read_valid(upstream, source, ORDINARY)
    verdict = judge_night(upstream, source, ORDINARY, 14, rows[rows["origin"] != "JFK"])
    assert not verdict.success


def test_a_night_whose_delays_are_missing_is_stopped(upstream: FlightUpstream) -> None:
    rows = read_valid(upstream, "flights", ORDINARY)
    verdict = judge_night(upstream, "flights", ORDINARY, 14, rows.assign(arr_delay=float("nan")))
    assert not verdict.success
    assert any("null_share.arr_delay" in str(failure) for failure in verdict.blocking)


def test_a_schedule_of_one_carrier_is_stopped(upstream: FlightUpstream) -> None:
    rows = read_valid(upstream, "schedule", ORDINARY)
    verdict = judge_night(upstream, "schedule", ORDINARY, 14, rows.assign(carrier="UA"))
    assert not verdict.success
