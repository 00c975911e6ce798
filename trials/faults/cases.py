"""The matrix: every fault that is put into deliveries, by source, column and share of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from trials.faults import corruptions as fault
from trials.faults.corruptions import Corruption

NIGHT, WEEK = 1, 7
"""Deliveries that have the fault: the night's own, or those of the last seven nights, which arrived one by one."""

WEATHER_COLUMNS = ("humid", "wind_speed", "precip", "pressure", "visib")
"""Weather that the features are made of."""


@dataclass(frozen=True)
class Case:
    """One cell of the matrix.

    Attributes:
        stale: instead of a change of tonight's rows, the delivery of so many days ago arrives; its moments are moved to
            tonight if there is a ``corruption``, which is then :func:`trials.faults.corruptions.move_days`' place.
    """

    fault: str
    source: str
    column: str
    share: float
    corruption: Corruption | None
    nights: int = NIGHT
    stale: int = 0
    redated: bool = False

    @property
    def name(self) -> str:
        """Such as ``missing flights.arr_delay 30 % week``."""
        reach = " week" if self.nights == WEEK else ""
        return f"{self.fault} {self.source}.{self.column} {self.share:.0%}{reach}"

    def random(self, day: int) -> np.random.Generator:
        """Chance that is the same every time, for the delivery of the day with this ordinal."""
        return np.random.default_rng([crc32(self.name.encode()), day])


def list_cases() -> tuple[Case, ...]:
    """Every case, each under a name of its own."""
    cases = (*_column_cases(), *_row_cases(), *_time_cases(), *_history_cases())
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), "two cases have the same name"
    return cases


SOME, PART, ALL = 0.05, 0.3, 1.0
"""Shares of the rows that are hit."""

NUMBERS = (("flights", "arr_delay"), ("schedule", "distance"), *(("weather", column) for column in WEATHER_COLUMNS))
"""Numbers that features are made of."""

SWAPPED = (
    ("flights", "dep_delay", "arr_delay"),
    ("flights", "origin", "dest"),
    ("schedule", "scheduled_hour", "scheduled_minute"),
    ("schedule", "scheduled_departure", "scheduled_arrival"),
    ("schedule", "distance", "flight"),
    ("schedule", "origin", "dest"),
    ("weather", "temp", "dewp"),
    ("weather", "wind_speed", "visib"),
    ("weather", "humid", "visib"),
    ("airports", "lat", "lon"),
)
SHUFFLED = (
    ("schedule", "origin"),
    ("schedule", "carrier"),
    ("schedule", "dest"),
    ("schedule", "scheduled_hour"),
    ("flights", "arr_delay"),
    ("flights", "carrier"),
    ("flights", "dest"),
    ("weather", "origin"),
    ("weather", "hour"),
)


def _column_cases() -> Iterator[Case]:
    yield from _number_cases()
    yield from _category_cases()
    yield from _unit_cases()
    for share in (PART, ALL):
        for source, one, other in SWAPPED:
            yield Case("swapped", source, f"{one}/{other}", share, fault.swap_columns(one, other))
        for source, column in SHUFFLED:
            yield Case("shuffled", source, column, share, fault.shuffle_values(column))
        yield Case("late come as cancelled", "flights", "arr_delay", share, fault.call_late_cancelled)
        yield Case("late come as diverted", "flights", "arr_delay", share, fault.call_late_diverted)


def _number_cases() -> Iterator[Case]:
    for source, column in NUMBERS:
        shares = (PART, ALL) if source == "weather" else (SOME, PART, ALL)
        for share in shares:
            yield Case("missing", source, column, share, fault.lose_values(column))
            for value in (-1, 9999):
                yield Case(f"sentinel {value}", source, column, share, fault.put_sentinel(column, value))
        for factor in (10, 100, 1000):
            for share in shares[-2:] if source != "weather" else (ALL,):
                yield Case(f"times {factor}", source, column, share, fault.scale_values(column, factor=factor))
    for source in ("schedule", "flights"):
        for value in (-1, 9999, 0):
            yield Case(f"sentinel {value}", source, "scheduled_hour", PART, fault.put_sentinel("scheduled_hour", value))
    for source, column in (("flights", "arr_delay"), ("weather", "humid"), ("weather", "precip"), ("weather", "visib")):
        yield Case("highest missing", source, column, PART, fault.lose_highest(column))
    for share in (PART, ALL):
        yield Case("sign lost", "airports", "lon", share, fault.scale_values("lon", factor=-1))
        yield Case("times 0.1", "airports", "lat", share, fault.scale_values("lat", factor=0.1))


def _category_cases() -> Iterator[Case]:
    for source in ("schedule", "flights"):
        for share in (PART, ALL):
            for column, length in (("carrier", 2), ("dest", 3)):
                yield Case("exploded", source, column, share, fault.explode_categories(column, length))
                yield Case("renamed", source, column, share, fault.rename_categories(column))
            yield Case("renamed", source, "origin", share, fault.rename_categories("origin"))
        for column in ("carrier", "dest"):
            for share in (SOME, ALL):
                yield Case("broken encoding", source, column, share, fault.break_encoding(column))


def _unit_cases() -> Iterator[Case]:
    for name, source, column, corruption in (
        ("minutes to hours", "flights", "arr_delay", fault.scale_values("arr_delay", factor=1 / 60)),
        ("minutes to seconds", "flights", "arr_delay", fault.scale_values("arr_delay", factor=60)),
        ("minutes to hours", "flights", "both", fault.scale_values("arr_delay", "dep_delay", factor=1 / 60)),
        ("miles to km", "schedule", "distance", fault.scale_values("distance", factor=1.609344)),
        ("mph to km/h", "weather", "wind_speed", fault.scale_values("wind_speed", factor=1.609344)),
        ("mph to m/s", "weather", "wind_speed", fault.scale_values("wind_speed", factor=0.44704)),
        ("miles to km", "weather", "visib", fault.scale_values("visib", factor=1.609344)),
        ("inches to mm", "weather", "precip", fault.scale_values("precip", factor=25.4)),
        ("mbar to inHg", "weather", "pressure", fault.scale_values("pressure", factor=0.02953)),
        ("percent to fraction", "weather", "humid", fault.scale_values("humid", factor=0.01)),
        ("°F to °C", "weather", "temp/dewp", fault.convert_values("temp", "dewp", offset=32, factor=5 / 9)),
    ):
        for share in (PART, ALL) if source == "weather" else (SOME, PART, ALL):
            yield Case(name, source, column, share, corruption)


def _row_cases() -> Iterator[Case]:
    for source in ("schedule", "flights", "weather"):
        for share in (SOME, PART):
            yield Case("rows lost", source, "*", share, fault.lose_rows)
        yield Case("half a file", source, "*", 0.5, fault.cut_off)
        for share in (SOME, ALL):
            yield Case("rows twice", source, "*", share, fault.repeat_rows)
        yield Case("one airport lost", source, "*", 1.0, fault.lose_origin)
        for days in (1, 7):
            yield Case(f"file of {days} days ago", source, "*", 1.0, None, stale=days)
            yield Case(f"file of {days} days ago, redated", source, "*", 1.0, None, stale=days, redated=True)
    for source in ("schedule", "flights"):
        yield Case("evening lost", source, "*", 1.0, fault.lose_evening)
        for share in (SOME, PART):
            yield Case("rows twice under new ids", source, "*", share, fault.repeat_under_new_ids)
    for share in (PART, ALL):
        yield Case("late ones lost", "flights", "*", share, fault.lose_late)


def _time_cases() -> Iterator[Case]:
    planned = ("scheduled_departure", "scheduled_arrival")
    for share in (PART, ALL):
        yield Case("clock 5 h ahead", "schedule", "planned", share, fault.shift_moments(*planned, hours=5))
        yield Case("clock 5 h behind", "schedule", "planned", share, fault.shift_moments(*planned, hours=-5))
        yield Case("clock 1 h ahead", "schedule", "arrival", share, fault.shift_moments("scheduled_arrival", hours=1))
        yield Case("clock 5 h ahead", "flights", "known_at", share, fault.shift_moments("known_at", hours=5))
        yield Case("clock 5 h ahead", "flights", "all", share, fault.shift_moments(*planned, "known_at", hours=5))
        yield Case("clock 5 h ahead", "weather", "observed_at", share, fault.shift_moments("observed_at", hours=5))
        for source, column in (("schedule", "scheduled_hour"), ("flights", "scheduled_hour"), ("weather", "hour")):
            yield Case("hour plus 5", source, column, share, fault.shift_hours(column, 5))


def _history_cases() -> Iterator[Case]:
    for share in (PART, ALL):
        for name, column, corruption in (
            ("minutes to hours", "arr_delay", fault.scale_values("arr_delay", factor=1 / 60)),
            ("times 10", "arr_delay", fault.scale_values("arr_delay", factor=10)),
            ("sentinel -1", "arr_delay", fault.put_sentinel("arr_delay", -1)),
            ("missing", "arr_delay", fault.lose_values("arr_delay")),
            ("shuffled", "arr_delay", fault.shuffle_values("arr_delay")),
            ("late come as cancelled", "arr_delay", fault.call_late_cancelled),
            ("late ones lost", "*", fault.lose_late),
        ):
            yield Case(name, "flights", column, share, corruption, nights=WEEK)
    for name, column, corruption in (
        ("swapped", "dep_delay/arr_delay", fault.swap_columns("dep_delay", "arr_delay")),
        ("renamed", "carrier", fault.rename_categories("carrier")),
        ("renamed", "origin", fault.rename_categories("origin")),
        ("renamed", "dest", fault.rename_categories("dest")),
        ("hour plus 5", "scheduled_hour", fault.shift_hours("scheduled_hour", 5)),
    ):
        yield Case(name, "flights", column, ALL, corruption, nights=WEEK)
    yield Case("half a file", "flights", "*", 0.5, fault.cut_off, nights=WEEK)
    yield Case("evening lost", "flights", "*", 1.0, fault.lose_evening, nights=WEEK)
    yield Case("file of 7 days ago, redated", "flights", "*", 1.0, None, nights=WEEK, stale=7, redated=True)
