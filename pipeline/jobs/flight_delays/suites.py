"""What every batch of the flight job's sources must be as a whole.

Blocking expectations say "this is not a night of flights": they hold on every night of 2013, through the storm of
2013-02-08, after which half of all flights were cancelled, and Thanksgiving.  Warnings say "this is not a night like
those before": storms, holidays and Saturdays do set some of them off.
"""

from __future__ import annotations

from typing import Any

from great_expectations import expectations

from pipeline.contracts import Suite
from pipeline.jobs.flight_delays.contracts import ORIGINS

gx: Any = expectations  # its types know neither its expectations nor severities as text

ENOUGH_TO_COMPARE = 3
"""Trailing partitions below which a partition is not compared with them."""


def schedule_suite(trailing: int) -> Suite:
    """Expectations over tomorrow's schedule."""
    batch = [
        gx.ExpectColumnValuesToBeUnique(column="flight_id", severity="critical"),
        gx.ExpectColumnDistinctValuesToContainSet(column="origin", value_set=list(ORIGINS), severity="critical"),
        gx.ExpectColumnUniqueValueCountToBeBetween(column="carrier", min_value=8, max_value=32, severity="critical"),
        gx.ExpectColumnUniqueValueCountToBeBetween(column="dest", min_value=40, max_value=200, severity="critical"),
        gx.ExpectColumnValuesToBeBetween(
            column="scheduled_hour", min_value=5, max_value=23, mostly=0.99, severity="warning"
        ),
        gx.ExpectColumnMedianToBeBetween(column="distance", min_value=500, max_value=1500, severity="warning"),
    ]
    profile = [
        gx.ExpectColumnValuesToBeBetween(column="rows", min_value=300, max_value=3000, severity="critical"),
        *between("share.origin.EWR", warning=(0.25, 0.48)),
        *between("share.origin.JFK", warning=(0.22, 0.45)),
        *between("share.origin.LGA", warning=(0.18, 0.42)),
        *between("q50.scheduled_hour", warning=(10, 16)),
    ]
    if trailing >= ENOUGH_TO_COMPARE:
        profile += [
            *between("rows_ratio", critical=(0.5, 2), warning=(0.7, 1.2)),
            *between("share_shift.carrier", critical=(None, 0.3), warning=(None, 0.08)),
            *between("share_shift.dest", critical=(None, 0.5), warning=(None, 0.2)),
        ]
    return Suite(batch=batch, profile=profile)


def flights_suite(trailing: int) -> Suite:
    """Expectations over what became known of flights."""
    batch = [
        gx.ExpectColumnDistinctValuesToContainSet(column="origin", value_set=list(ORIGINS), severity="critical"),
        gx.ExpectColumnUniqueValueCountToBeBetween(column="carrier", min_value=8, max_value=32, severity="critical"),
        gx.ExpectColumnMedianToBeBetween(column="dep_delay", min_value=-30, max_value=240, severity="critical"),
        gx.ExpectColumnValuesToBeBetween(
            column="arr_delay", min_value=-90, max_value=600, mostly=0.99, severity="warning"
        ),
    ]
    profile = [
        gx.ExpectColumnValuesToBeBetween(column="rows", min_value=200, max_value=3000, severity="critical"),
        *between("null_share.arr_delay", critical=(None, 0.9), warning=(None, 0.15)),
        *between("null_share.tailnum", critical=(None, 0.9), warning=(None, 0.15)),
        *between("q50.arr_delay", critical=(-60, 240), warning=(-25, 30)),
        *between("q95.arr_delay", warning=(5, 240)),
    ]
    if trailing >= ENOUGH_TO_COMPARE:
        profile += [
            *between("rows_ratio", critical=(0.5, 2), warning=(0.7, 1.2)),
            *between("mean_shift.arr_delay", warning=(-4, 4)),
            *between("share_shift.carrier", critical=(None, 0.3), warning=(None, 0.08)),
        ]
    return Suite(batch=batch, profile=profile)


def weather_suite(trailing: int) -> Suite:
    """Expectations over a day of weather: 24 hours at three airports."""
    batch = [
        gx.ExpectColumnDistinctValuesToContainSet(column="origin", value_set=list(ORIGINS), severity="critical"),
        gx.ExpectColumnValuesToNotBeNull(column="temp", mostly=0.5, severity="critical"),
        gx.ExpectColumnValuesToNotBeNull(column="wind_speed", mostly=0.9, severity="warning"),
        gx.ExpectColumnMeanToBeBetween(column="visib", min_value=0.5, severity="warning"),
    ]
    profile = [
        *between("rows", critical=(36, 75), warning=(66, 75)),
        *between("null_share.pressure", warning=(None, 0.5)),
        *between("mean.pressure", warning=(980, 1045)),
        *between("mean.temp", critical=(-30, 115), warning=(5, 100)),
        *between("mean.humid", critical=(1, 100)),
    ]
    if trailing >= ENOUGH_TO_COMPARE:
        profile += between("mean_shift.pressure", warning=(-4, 4))
    return Suite(batch=batch, profile=profile)


def between(
    column: str,
    *,
    critical: tuple[float | None, float | None] | None = None,
    warning: tuple[float | None, float | None] | None = None,
) -> list[Any]:
    """Expectations that a number of the profile lies in a range: a wide one that blocks, a narrow one that warns."""
    ranges = {"critical": critical, "warning": warning}
    return [
        gx.ExpectColumnValuesToBeBetween(column=column, min_value=limits[0], max_value=limits[1], severity=severity)
        for severity, limits in ranges.items()
        if limits is not None
    ]
