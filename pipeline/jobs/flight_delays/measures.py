"""What holds between the values of a night of flights, whatever the weather.

Storms cancel and delay flights; they do not change how far Chicago is, how long after it was due a late flight is
known to have landed, or that Newark and Kennedy lie under one pressure.  How much of each is too much, ``suites.py``
says.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.measures import (
    Measure,
    Reference,
    share_absent,
    share_apart,
    share_broken,
    share_changed,
    share_off_day,
    share_repeated,
    share_unknown,
    share_unlike,
)

NEW_YORK = "America/New_York"
KNOT = 1.15078
"""Miles an hour, as the weather's upstream converts its whole knots."""

WEEK = tuple(range(1, 8))
FORTNIGHT = tuple(range(1, 15))
USUAL = Reference("schedule", FORTNIGHT, least=3)
EVERY_DAY = Reference("schedule", FORTNIGHT, least=10)
PLANNED = Reference("schedule", (1,))
PLANNED_BEFORE = Reference("schedule", (1, 2, 3))
ROUTE = ("origin", "dest")
CLOCK = ("scheduled_hour", "scheduled_minute")
PLAN = ("dest", "distance", "scheduled_departure", "scheduled_arrival", *CLOCK)


def distance(rows: pd.DataFrame) -> pd.Series:
    """Miles from origin to destination."""
    return rows["distance"].astype("float64")


def planned_ratio(rows: pd.DataFrame) -> pd.Series:
    """Natural logarithm of the planned minutes from gate to gate: equal distances are equal ratios."""
    minutes = (rows["scheduled_arrival"] - rows["scheduled_departure"]).dt.total_seconds() / 60
    return pd.Series(np.log(minutes.to_numpy()), index=rows.index)


def departure_minute(rows: pd.DataFrame) -> pd.Series:
    """Minutes from midnight to the planned departure."""
    minutes: pd.Series = (rows["scheduled_hour"] * 60 + rows["scheduled_minute"]).astype("float64")
    return minutes


def known_when_due(rows: pd.DataFrame) -> pd.Series:
    """An outcome is known when upstream says that it is, to five minutes.

    That of a flight that landed, when it did: as long after the planned arrival as it was late.  That of a cancelled
    one, three hours after the planned departure.  That of a diverted one, not before it could have landed.
    """
    after_departure = (rows["known_at"] - rows["scheduled_departure"]).dt.total_seconds() / 60
    after_arrival = (rows["known_at"] - rows["scheduled_arrival"]).dt.total_seconds() / 60
    landed = (after_arrival - rows["arr_delay"]).abs() <= 5
    cancelled = (after_departure - 180).abs() <= 5
    diverted = after_arrival >= rows["dep_delay"]
    due: pd.Series = landed.mask(rows["cancelled"], cancelled).mask(rows["diverted"], diverted)
    return due


def made_up_little(rows: pd.DataFrame) -> pd.Series:
    """A flight gains or loses an hour on its way at the most."""
    gained: pd.Series = rows["arr_delay"] - rows["dep_delay"]
    return (gained.abs() <= 60) | gained.isna()


def humid_as_dew_point(rows: pd.DataFrame) -> pd.Series:
    """Relative humidity follows from temperature and dew point, by Magnus' formula (Alduchov, Eskridge 1996)."""
    temp, dewp = ((rows[name] - 32) / 1.8 for name in ("temp", "dewp"))
    humid = 100 * np.exp(17.625 * dewp / (243.04 + dewp) - 17.625 * temp / (243.04 + temp))
    apart: pd.Series = humid - rows["humid"]
    return (apart.abs() <= 10) | apart.isna()


def wind_in_knots(rows: pd.DataFrame) -> pd.Series:
    """Wind is measured in whole knots."""
    knots = rows["wind_speed"] / KNOT
    return ((knots - knots.round()).abs() <= 0.01) | knots.isna()


def visibility_ends_at_ten(rows: pd.DataFrame) -> pd.Series:
    """Instruments report ten miles for everything beyond."""
    return (rows["visib"] <= 10) | rows["visib"].isna()


def rain_is_seen(rows: pd.DataFrame) -> pd.Series:
    """Rain comes with humid air, heavy rain with poor visibility, and two inches an hour with neither."""
    rain, dry, clear = rows["precip"], rows["humid"] < 60, rows["visib"] >= 10
    unseen: pd.Series = (rain > 0) & dry | (rain > 0.1) & clear | (rain > 2)
    return ~unseen


SCHEDULE: tuple[Measure, ...] = (
    share_off_day("off_day", ["flight_id"], "scheduled_departure", NEW_YORK, days=1),
    share_unlike("distance", USUAL, ROUTE, distance, tolerance=1),
    share_unlike("planned_minutes", USUAL, ROUTE, planned_ratio, tolerance=0.25),
    share_unlike("departure", USUAL, ("carrier", "flight", *ROUTE), departure_minute, tolerance=180),
    share_unknown("carrier_unknown", USUAL, ("origin", "carrier")),
    share_unknown("dest_unknown", USUAL, ("dest",)),
    share_unknown("route_unknown", USUAL, ("origin", "carrier", "dest")),
    share_absent("route_absent", EVERY_DAY, ("origin", "carrier", "dest")),
    share_repeated("repeated", Reference("schedule", FORTNIGHT), ("carrier", "flight", *ROUTE, *CLOCK)),
)

FLIGHTS: tuple[Measure, ...] = (
    share_unlike("distance", USUAL, ROUTE, distance, tolerance=1),
    share_changed("plan_changed", PLANNED_BEFORE, ["flight_id"], PLAN),
    share_unknown("unplanned", PLANNED_BEFORE, ["flight_id"]),
    share_absent("planned_absent", PLANNED, ["flight_id"]),
    share_repeated("delivered_before", Reference("flights", (1, 2, 3)), ["flight_id"]),
    share_repeated("repeated", Reference("flights", WEEK), ("carrier", "flight", *ROUTE, "dep_delay", "arr_delay")),
    share_broken("known_off", ["flight_id"], known_when_due),
    share_broken("made_up", ["flight_id"], made_up_little),
)

WEATHER: tuple[Measure, ...] = (
    share_off_day("off_day", ["origin", "observed_at"], "observed_at", NEW_YORK),
    share_broken("humid_off", ["origin", "observed_at"], humid_as_dew_point),
    share_broken("wind_off_knots", ["origin", "observed_at"], wind_in_knots),
    share_broken("visib_beyond", ["origin", "observed_at"], visibility_ends_at_ten),
    share_broken("rain_unseen", ["origin", "observed_at"], rain_is_seen),
    share_apart("temp_apart", "temp", "observed_at", tolerance=15),
    share_apart("humid_apart", "humid", "observed_at", tolerance=40),
    share_apart("wind_apart", "wind_speed", "observed_at", tolerance=15),
    share_apart("pressure_apart", "pressure", "observed_at", tolerance=3),
    share_apart("visib_apart", "visib", "observed_at", tolerance=8),
    share_repeated("repeated", Reference("weather", WEEK), ["origin", "hour", "temp", "dewp", "humid", "wind_speed"]),
)

AIRPORTS: tuple[Measure, ...] = (
    share_changed("place_changed", Reference("airports", (1,)), ["airport"], ["lat", "lon"]),
)
