"""Features of a flight that is scheduled for tomorrow, from all that is known at the cutoff tonight.

What makes flights late tomorrow is mostly how late they run today (by airport, carrier, destination and hour), how the
flight usually does, when in the day it leaves, and the weather: today's, because lateness that it explains passes with
it, and this evening's, because it may stay.  The plane is settled tomorrow, so nothing here knows it.
"""

from __future__ import annotations

import pandas as pd

from features.declarations import Aggregate, Feature, FeatureSet, Lookup, Trailing


def is_late(arr_delay: pd.Series) -> pd.Series:
    """1.0 if the flight arrived more than 15 minutes late, else 0.0; missing while there is no arrival delay."""
    return (arr_delay > 15).astype("float64").where(arr_delay.notna())


def is_late_evening(is_late: pd.Series, scheduled_hour: pd.Series) -> pd.Series:
    """``is_late`` of flights planned to leave at 17:00 or later: how the day ended."""
    return is_late.where(scheduled_hour >= 17)


def arrival_delay(arr_delay: pd.Series) -> pd.Series:
    """Minutes of delay at arrival, with extremes cut off so that one flight does not make an airport's month."""
    return arr_delay.clip(-60, 300)


def flight_code(carrier: pd.Series, flight: pd.Series) -> pd.Series:
    """The flight's name as travellers know it, such as UA1545."""
    return carrier + flight.astype("str")


def departure_minutes(scheduled_hour: pd.Series, scheduled_minute: pd.Series) -> pd.Series:
    """Minutes from midnight to the planned departure, local time."""
    return scheduled_hour * 60 + scheduled_minute


def departure_weekday(scheduled_departure: pd.Series) -> pd.Series:
    """Day of the week of the planned departure, local time, Monday is 0."""
    weekday: pd.Series = scheduled_departure.dt.tz_convert("America/New_York").dt.day_of_week
    return weekday


def dest_lat(lat: pd.Series) -> pd.Series:
    """Latitude of the destination: what keeps one airport up keeps its neighbours up."""
    return lat.astype("float64")


def dest_lon(lon: pd.Series) -> pd.Series:
    """Longitude of the destination; weather mostly comes from the west."""
    return lon.astype("float64")


def planned_minutes(scheduled_departure: pd.Series, scheduled_arrival: pd.Series) -> pd.Series:
    """Minutes planned from gate to gate; long ones for the distance have slack in them."""
    return (scheduled_arrival - scheduled_departure).dt.total_seconds() / 60


def is_wet(precip: pd.Series) -> pd.Series:
    """1.0 in an hour with rain or snow, else 0.0; missing where nothing was measured."""
    return (precip > 0).astype("float64").where(precip.notna())


def is_hazy(visib: pd.Series) -> pd.Series:
    """1.0 in an hour with less than 5 miles of visibility, where landing by sight ends and the rate drops, else 0.0."""
    return (visib < 5).astype("float64").where(visib.notna())


def morning_pressure(pressure: pd.Series, hour: pd.Series) -> pd.Series:
    """Sea level pressure before noon (millibars): beside the later ones it tells whether it rises or falls."""
    return pressure.where(hour < 12)


def afternoon_pressure(pressure: pd.Series, hour: pd.Series) -> pd.Series:
    """Sea level pressure from noon to 18:00 (millibars)."""
    return pressure.where((hour >= 12) & (hour < 18))


def evening_humid(humid: pd.Series, hour: pd.Series) -> pd.Series:
    """Relative humidity from 18:00 on (%)."""
    return humid.where(hour >= 18)


def evening_wind_speed(wind_speed: pd.Series, hour: pd.Series) -> pd.Series:
    """Wind speed from 18:00 on (mph)."""
    return wind_speed.where(hour >= 18)


def evening_precip(precip: pd.Series, hour: pd.Series) -> pd.Series:
    """Precipitation an hour from 18:00 on (inches)."""
    return precip.where(hour >= 18)


def evening_pressure(pressure: pd.Series, hour: pd.Series) -> pd.Series:
    """Sea level pressure from 18:00 on (millibars)."""
    return pressure.where(hour >= 18)


def evening_visib(visib: pd.Series, hour: pd.Series) -> pd.Series:
    """Visibility from 18:00 on (miles)."""
    return visib.where(hour >= 18)


def late_rate(*by: str, windows: tuple[int, ...], smoothing: float = 20.0) -> Trailing:
    """Share of late flights; of all flights where ``by`` names nothing."""
    return Trailing(Aggregate("flights", by, "is_late"), windows, smoothing=smoothing)


def day_weather(value: str, decimals: int) -> Trailing:
    """Mean of the day's weather, or of a part of the day's, at the airport of departure.

    Temperature and dew point are left out: they tell the season, and a model that has seen one season goes astray in
    the next.
    """
    return Trailing(Aggregate("weather", ("origin",), value, decimals), windows=(1,))


FEATURES = FeatureSet(
    name="flight_delays",
    version=2,
    row_functions=(
        is_late,
        is_late_evening,
        arrival_delay,
        flight_code,
        departure_minutes,
        departure_weekday,
        planned_minutes,
        dest_lat,
        dest_lon,
        is_wet,
        is_hazy,
        morning_pressure,
        afternoon_pressure,
        evening_humid,
        evening_wind_speed,
        evening_precip,
        evening_pressure,
        evening_visib,
    ),
    features=(
        Feature("origin", "category"),
        Feature("carrier", "category"),
        Feature("dest", "category"),
        Feature("scheduled_hour"),
        Feature("departure_minutes"),
        Feature("departure_weekday"),
        Feature("planned_minutes"),
        Feature("distance"),
        Feature("dest_lat"),
        Feature("dest_lon"),
    ),
    trailing=(
        late_rate(windows=(1, 7, 28)),
        late_rate("origin", windows=(1, 7, 28)),
        late_rate("carrier", windows=(1, 7, 28)),
        late_rate("dest", windows=(1, 7, 28)),
        late_rate("origin", "carrier", windows=(1, 7, 28)),
        late_rate("origin", "scheduled_hour", windows=(1, 7, 28)),
        late_rate("flight_code", windows=(7, 28), smoothing=10.0),
        Trailing(Aggregate("flights", ("origin",), "is_late_evening"), windows=(1,), smoothing=20.0),
        Trailing(Aggregate("flights", ("origin", "scheduled_hour"), "arrival_delay"), windows=(28,), smoothing=10.0),
        Trailing(Aggregate("schedule", ("origin", "scheduled_hour")), windows=(1,), function="count"),
        Trailing(Aggregate("schedule", ("origin",)), windows=(1,), function="count"),
        day_weather("precip", 2),
        day_weather("is_wet", 0),
        day_weather("is_hazy", 0),
        day_weather("morning_pressure", 1),
        day_weather("afternoon_pressure", 1),
        day_weather("evening_humid", 2),
        day_weather("evening_wind_speed", 2),
        day_weather("evening_precip", 2),
        day_weather("evening_pressure", 1),
        day_weather("evening_visib", 2),
    ),
    lookups=(Lookup("airports", on=("dest",), key=("airport",), columns=("lat", "lon")),),
)
