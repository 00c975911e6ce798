"""What every batch of the flight job's sources must be as a whole.

Expectations of three severities:

* critical, it blocks: this is not a night of flights, or one in twenty rows and more contradicts what is known;
* warning, somebody should look: values contradict each other as they never did, which weather and holidays cannot do;
* info, it is drift: this is not a night like those before; storms, holidays and Saturdays do that.

What faults break are the measures, shares of rows that contradict each other, other sources or earlier days.  Their
limits were chosen on the nights of January to June 2013 with room to spare: docs/faults.md has the highest values of
those nights beside every limit, and how often the limits are reached later.
"""

from __future__ import annotations

from typing import Any

from great_expectations import expectations

from pipeline.contracts import Suite
from pipeline.jobs.flight_delays.contracts import ORIGINS
from pipeline.measures import PREFIX

gx: Any = expectations  # its types know neither its expectations nor severities as text

RELIABLE = ("temp", "dewp", "humid", "wind_speed", "precip", "visib")
"""Readings that hardly ever fail; the barometer does, for up to half a day in storms."""

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
            column="scheduled_hour", min_value=5, max_value=23, mostly=0.99, severity="info"
        ),
        gx.ExpectColumnMedianToBeBetween(column="distance", min_value=500, max_value=1500, severity="info"),
    ]
    profile = [
        gx.ExpectColumnValuesToBeBetween(column="rows", min_value=300, max_value=3000, severity="critical"),
        *between("share.origin.EWR", drift=(0.25, 0.48)),
        *between("share.origin.JFK", drift=(0.22, 0.45)),
        *between("share.origin.LGA", drift=(0.18, 0.42)),
        *between("q50.scheduled_hour", drift=(10, 16)),
        *between("q95.scheduled_hour", warning=(19, None)),
        *at_most("off_day", 0.01, 0.05),
        *at_most("distance", 0.01, 0.05),
        *at_most("planned_minutes", 0.03, 0.1),
        *at_most("departure", 0.12, 0.3),
        *at_most("carrier_unknown", 0.02, 0.1),
        *at_most("dest_unknown", 0.03, 0.1),
        *at_most("route_unknown", 0.05, 0.2),
        *at_most("route_absent", 0.06, 0.2),
        # Timetables do repeat week by week, less a flight or two; a file that came again is the same in every row.
        *at_most("repeated", 0.999),
    ]
    if trailing >= ENOUGH_TO_COMPARE:
        profile += [
            *between("rows_ratio", critical=(0.5, 2), drift=(0.7, 1.2)),
            *between("share_shift.carrier", critical=(None, 0.3), drift=(None, 0.08)),
            *between("share_shift.dest", critical=(None, 0.5), drift=(None, 0.2)),
        ]
    return Suite(batch=batch, profile=profile)


def flights_suite(trailing: int) -> Suite:
    """Expectations over what became known of flights."""
    batch = [
        gx.ExpectColumnDistinctValuesToContainSet(column="origin", value_set=list(ORIGINS), severity="critical"),
        gx.ExpectColumnUniqueValueCountToBeBetween(column="carrier", min_value=8, max_value=32, severity="critical"),
        gx.ExpectColumnMedianToBeBetween(column="dep_delay", min_value=-30, max_value=240, severity="critical"),
        gx.ExpectColumnValuesToBeBetween(
            column="arr_delay", min_value=-90, max_value=600, mostly=0.99, severity="info"
        ),
    ]
    profile = [
        gx.ExpectColumnValuesToBeBetween(column="rows", min_value=200, max_value=3000, severity="critical"),
        *between("null_share.arr_delay", critical=(None, 0.9), drift=(None, 0.15)),
        *between("null_share.tailnum", critical=(None, 0.9), drift=(None, 0.15)),
        *between("q50.arr_delay", critical=(-60, 240), drift=(-25, 30)),
        *between("q95.arr_delay", drift=(5, 240)),
        *between("mean.diverted", warning=(None, 0.06)),
        *at_most("distance", 0.01, 0.05),
        *at_most("plan_changed", 0.01, 0.05),
        *at_most("unplanned", 0.02, 0.1),
        *at_most("planned_absent", 0.06, 0.2),
        *at_most("delivered_before", 0.01, 0.05),
        *at_most("repeated", 0.05, 0.3),
        *at_most("known_off", 0.02, 0.05),
        *at_most("made_up", 0.2, 0.5),
    ]
    if trailing >= ENOUGH_TO_COMPARE:
        profile += [
            *between("rows_ratio", critical=(0.5, 2), drift=(0.7, 1.2)),
            *between("mean_shift.arr_delay", drift=(-4, 4)),
            *between("share_shift.carrier", critical=(None, 0.3), drift=(None, 0.08)),
        ]
    return Suite(batch=batch, profile=profile)


def weather_suite(trailing: int) -> Suite:
    """Expectations over a day of weather: 24 hours at three airports."""
    batch = [
        gx.ExpectColumnDistinctValuesToContainSet(column="origin", value_set=list(ORIGINS), severity="critical"),
        gx.ExpectColumnValuesToNotBeNull(column="temp", mostly=0.5, severity="critical"),
        gx.ExpectColumnValuesToNotBeNull(column="wind_speed", mostly=0.9, severity="info"),
        gx.ExpectColumnMeanToBeBetween(column="visib", min_value=0.5, severity="info"),
    ]
    profile = [
        *between("rows", critical=(36, 75), warning=(60, 75), drift=(66, 75)),
        *between("null_share.pressure", critical=(None, 0.95), warning=(None, 0.8), drift=(None, 0.5)),
        *between("mean.pressure", drift=(980, 1045)),
        *between("mean.temp", critical=(-30, 115), drift=(5, 100)),
        *between("mean.humid", critical=(1, 100)),
        *(
            item
            for name in RELIABLE
            for item in between(f"null_share.{name}", critical=(None, 0.5), warning=(None, 0.1))
        ),
        *at_most("off_day", 0.01, 0.2),
        *at_most("humid_off", 0.08, 0.3),
        *at_most("wind_off_knots", 0.02, 0.3),
        *at_most("visib_beyond", 0.01, 0.3),
        *at_most("rain_unseen", 0.1),
        *at_most("temp_apart", 0.12, 0.5),
        *at_most("humid_apart", 0.1, 0.3),
        *at_most("wind_apart", 0.08, 0.3),
        *at_most("pressure_apart", 0.04, 0.3),
        *at_most("visib_apart", 0.16),
        *at_most("repeated", 0.1, 0.3),
    ]
    if trailing >= ENOUGH_TO_COMPARE:
        profile += between("mean_shift.pressure", drift=(-4, 4))
    return Suite(batch=batch, profile=profile)


def airports_suite(trailing: int) -> Suite:
    """Airports stay where they are."""
    return Suite(profile=at_most("place_changed", 0.002, 0.02))


Range = tuple[float | None, float | None]


def at_most(measure: str, warning: float, critical: float | None = None) -> list[Any]:
    """Expectations that a measure, a share of rows, is not higher than this."""
    return between(PREFIX + measure, warning=(None, warning), critical=(None, critical) if critical else None)


def between(
    column: str, *, critical: Range | None = None, warning: Range | None = None, drift: Range | None = None
) -> list[Any]:
    """Expectations that a number of the profile lies in a range: in a wide one, or it blocks, and in narrower ones."""
    ranges = {"critical": critical, "warning": warning, "info": drift}
    return [
        gx.ExpectColumnValuesToBeBetween(column=column, min_value=limits[0], max_value=limits[1], severity=severity)
        for severity, limits in ranges.items()
        if limits is not None
    ]
