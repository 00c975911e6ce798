"""Deliveries of the meter job, made up: the same day gives the same tables, always."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from tests.meter_readings.contracts import REGIONS

METERS = 240
FIRST_ID = 2**53 + 1
"""Odd numbers from here on: a float could hold none of them."""

NAMES = (
    "Old mill",
    "Haus Nº 7",
    "Ōtautahi marae",
    "灯台 3",
    "Дом моря",
    "café/élan",
    "a:b{c}",
    "'; DROP --",
    " two  spaces ",
)
MONDAY = 0
_SEED = 20240219
_ZONE = ZoneInfo("Pacific/Auckland")


class MeterUpstream:
    """240 meters, most of which are read every evening; tariffs come on Mondays."""

    sources = ("meters", "readings", "tariffs")

    def deliver(self, source: str, partition: date) -> pa.Table | None:
        """The table of one source and partition; None for tariffs on other days than Monday."""
        if source == "meters":
            return self._meters(partition)
        if source == "readings":
            return self._readings(partition)
        return self._tariffs() if partition.weekday() == MONDAY else None

    def ids(self) -> pa.Array:
        """The entity id of every meter."""
        return pa.array(FIRST_ID + 2 * np.arange(METERS, dtype="int64"))

    def _meters(self, partition: date) -> pa.Table:
        number = np.arange(METERS)
        tariffs = ["day", "night", "unheard", None]
        return pa.table(
            {
                "meter_id": self.ids(),
                "region": [REGIONS[each % len(REGIONS)] for each in number],
                "tariff": [tariffs[each % len(tariffs)] for each in number],
                "rated_amps": (20.0 + 5 * (number % 9)),
                "weekday": np.full(METERS, (partition + timedelta(days=1)).weekday(), dtype="int64"),
                "installer": ["not in the contract"] * METERS,
            }
        )

    def _readings(self, partition: date) -> pa.Table:
        """What was counted on the day, read half an hour after its end."""
        random = np.random.default_rng([_SEED, partition.toordinal()])
        number = np.arange(METERS)
        usual = np.random.default_rng(_SEED).uniform(4, 20, METERS)
        kwh = np.round(usual * (1.3 if partition.weekday() >= 5 else 1.0) * random.uniform(0.9, 1.1, METERS), 3)
        unread = random.random(METERS) < 0.03
        read_at = datetime.combine(partition + timedelta(days=1), time(0, 30), _ZONE).astimezone(UTC)
        table = pa.table(
            {
                "meter_id": self.ids(),
                "region": [REGIONS[each % len(REGIONS)] for each in number],
                "kwh": pa.array(kwh, mask=unread),
                "read_at": pa.array([read_at] * METERS, pa.timestamp("us", "UTC")),
            }
        )
        return table.filter(pa.array(random.random(METERS) > 0.02))

    def _tariffs(self) -> pa.Table:
        return pa.table({"tariff": ["day", "night"], "cents_per_kwh": pa.array([31, 19], pa.int64())})


class NamedMeterUpstream(MeterUpstream):
    """The same meters, with names in several scripts."""

    def ids(self) -> pa.Array:
        """Names with a number, so that none is there twice."""
        return pa.array([f"{NAMES[number % len(NAMES)]} {number}" for number in range(METERS)])
