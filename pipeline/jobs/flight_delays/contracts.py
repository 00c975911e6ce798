"""What every row of the flight job's sources must be.  A row that is not goes into quarantine with these words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pandera.pandas as pandera

UTC_MOMENT = pd.DatetimeTZDtype("us", "UTC")


def within(low: float, high: float, unit: str = "") -> pandera.Check:
    """A number from ``low`` to ``high``, both included."""
    return pandera.Check.in_range(low, high, error=f"must be from {low:g} to {high:g} {unit}".rstrip())


def shaped(pattern: str, meaning: str) -> pandera.Check:
    """A text that is ``pattern`` from its first character to its last."""
    return pandera.Check.str_matches(rf"^(?:{pattern})\Z", error=f"must be {meaning}")


def one_of(values: Sequence[str]) -> pandera.Check:
    """One of a few values that do not change."""
    return pandera.Check.isin(list(values), error="must be one of " + ", ".join(values))


def must(condition: Any, error: str) -> pandera.Check:
    """A condition over several columns of the row."""
    return pandera.Check(condition, name=condition.__name__, error=error)


def arrives_after_departure(rows: pd.DataFrame) -> pd.Series:
    """Planned times in order, and less than a day apart."""
    planned = rows["scheduled_arrival"] - rows["scheduled_departure"]
    return (planned > pd.Timedelta(0)) & (planned < pd.Timedelta(days=1))


def id_tells_the_flight(rows: pd.DataFrame) -> pd.Series:
    """The id is carrier, number, origin and the local date of departure, and the other columns say the same."""
    number = rows["carrier"] + rows["flight"].astype("str")
    day = rows["scheduled_departure"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
    agree: pd.Series = rows["flight_id"] == number + "-" + rows["origin"] + "-" + day
    return agree


def hour_is_local(rows: pd.DataFrame) -> pd.Series:
    """The hour and minute are those of the planned departure, by the clock in New York."""
    local = rows["scheduled_departure"].dt.tz_convert("America/New_York").dt
    agree: pd.Series = (local.hour == rows["scheduled_hour"]) & (local.minute == rows["scheduled_minute"])
    return agree


def observed_in_hour(rows: pd.DataFrame) -> pd.Series:
    """The hour is that of the observation, by the clock in New York."""
    agree: pd.Series = rows["observed_at"].dt.tz_convert("America/New_York").dt.hour == rows["hour"]
    return agree


def leaves_and_lands_elsewhere(rows: pd.DataFrame) -> pd.Series:
    """A flight goes somewhere."""
    return rows["origin"] != rows["dest"]


def outcome_is_whole(rows: pd.DataFrame) -> pd.Series:
    """An arrival delay, unless the flight was cancelled or diverted; no delay at all if it was cancelled."""
    open_ended = rows["cancelled"] | rows["diverted"]
    return (rows["arr_delay"].isna() == open_ended) & (rows["dep_delay"].isna() == rows["cancelled"])


def known_after_departure(rows: pd.DataFrame) -> pd.Series:
    """Outcomes come after the fact; some flights leave early, by 43 minutes at the most."""
    return rows["known_at"] > rows["scheduled_departure"] - pd.Timedelta(hours=1)


ORIGINS = ("EWR", "JFK", "LGA")
ORIGIN = pandera.Column(str, one_of(ORIGINS))
CARRIER = pandera.Column(str, shaped("[A-Z0-9]{2}", "a carrier code of two letters or digits"))
AIRPORT_CODE = shaped("[A-Z0-9]{3}", "an airport code of three letters or digits")
TAIL_NUMBER = shaped("[A-Z0-9]{5,6}", "a tail number of five or six letters or digits")
PLANNED = {
    "flight_id": pandera.Column(
        str, shaped(r"[A-Z0-9]{2}\d{1,4}-[A-Z]{3}-\d{4}-\d\d-\d\d", "a flight id such as UA1545-EWR-2013-04-02")
    ),
    "carrier": CARRIER,
    "flight": pandera.Column("int64", within(1, 9999)),
    "origin": ORIGIN,
    "dest": pandera.Column(str, AIRPORT_CODE),
    "scheduled_departure": pandera.Column(UTC_MOMENT),
    "scheduled_arrival": pandera.Column(UTC_MOMENT),
    "scheduled_hour": pandera.Column("int64", within(0, 23)),
    "scheduled_minute": pandera.Column("int64", within(0, 59)),
    "distance": pandera.Column("int64", within(10, 6000, "miles")),
}
PLAN_CHECKS = [
    must(arrives_after_departure, "scheduled_arrival must come after scheduled_departure, on the same day"),
    must(
        id_tells_the_flight,
        "flight_id must agree with carrier, flight, origin and the local date of scheduled_departure",
    ),
    must(leaves_and_lands_elsewhere, "origin and dest must differ"),
    must(hour_is_local, "scheduled_hour and scheduled_minute must be the local time of scheduled_departure"),
]

SCHEDULE = pandera.DataFrameSchema(dict(PLANNED), checks=PLAN_CHECKS, name="schedule")

FLIGHTS = pandera.DataFrameSchema(
    PLANNED
    | {
        "tailnum": pandera.Column(str, TAIL_NUMBER, nullable=True),
        "dep_delay": pandera.Column("float64", within(-120, 2880, "minutes"), nullable=True),
        "arr_delay": pandera.Column("float64", within(-180, 2880, "minutes"), nullable=True),
        "cancelled": pandera.Column(bool),
        "diverted": pandera.Column(bool),
        "known_at": pandera.Column(UTC_MOMENT),
    },
    checks=[
        *PLAN_CHECKS,
        must(outcome_is_whole, "delays must be there unless the flight was cancelled or diverted"),
        must(known_after_departure, "known_at must not come before the flight could leave"),
    ],
    name="flights",
)

WEATHER = pandera.DataFrameSchema(
    {
        "origin": ORIGIN,
        "observed_at": pandera.Column(UTC_MOMENT),
        "hour": pandera.Column("int64", within(0, 23)),
        "temp": pandera.Column("float64", within(-40, 125, "°F"), nullable=True),
        "dewp": pandera.Column("float64", within(-60, 95, "°F"), nullable=True),
        "humid": pandera.Column("float64", within(0, 100, "%"), nullable=True),
        "wind_dir": pandera.Column("float64", within(0, 360, "degrees"), nullable=True),
        "wind_speed": pandera.Column("float64", within(0, 150, "mph"), nullable=True),
        "wind_gust": pandera.Column("float64", within(0, 200, "mph"), nullable=True),
        "precip": pandera.Column("float64", within(0, 10, "inches"), nullable=True),
        "pressure": pandera.Column("float64", within(900, 1100, "millibars"), nullable=True),
        "visib": pandera.Column("float64", within(0, 100, "miles"), nullable=True),
    },
    checks=[must(observed_in_hour, "hour must be the local hour of observed_at")],
    name="weather",
)

PLANES = pandera.DataFrameSchema(
    {
        "tailnum": pandera.Column(str, TAIL_NUMBER),
        "year": pandera.Column("Int64", within(1900, 2100), nullable=True),
        "manufacturer": pandera.Column(str),
        "model": pandera.Column(str),
        "engines": pandera.Column("int64", within(1, 8)),
        "seats": pandera.Column("int64", within(1, 1000)),
    },
    name="planes",
)

AIRPORTS = pandera.DataFrameSchema(
    {
        "airport": pandera.Column(str, AIRPORT_CODE),
        "name": pandera.Column(str),
        "lat": pandera.Column("float64", within(-90, 90, "degrees")),
        "lon": pandera.Column("float64", within(-180, 180, "degrees")),
        "alt": pandera.Column("int64", within(-1500, 20000, "feet")),
        "timezone": pandera.Column(str, nullable=True),
    },
    name="airports",
)

AIRLINES = pandera.DataFrameSchema({"carrier": CARRIER, "name": pandera.Column(str)}, name="airlines")
