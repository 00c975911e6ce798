"""Disruptions: runs of days on which an unusual share of the flights was cancelled.

Cancelled flights have no outcome that accuracy could be measured on, so they are a witness of their own.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from pipeline.jobs.flight_delays.upstream import find_data_folder

CANCELLED = 0.07
"""Share of a day's flights from which on it counts as disrupted; the median day of the year has 1 %."""

APART = timedelta(days=2)
"""Disrupted days no further apart belong to one disruption."""


@dataclass(frozen=True)
class Disruption:
    """Disrupted days that belong together; ``cancelled`` is the share on the worst of them."""

    first: date
    last: date
    cancelled: float


def read_cancelled_shares() -> dict[date, float]:
    """Share of the flights of every day of the data that never left."""
    with zipfile.ZipFile(find_data_folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        flights = pd.read_csv(file, usecols=["year", "month", "day", "dep_time"])
    days = pd.to_datetime(flights[["year", "month", "day"]]).dt.date
    shares = flights["dep_time"].isna().groupby(days).mean()
    return dict(zip(shares.index, shares.tolist(), strict=True))


def find_disruptions(shares: Mapping[date, float], first: date, last: date) -> list[Disruption]:
    """The disruptions between two days, both included, oldest first."""
    found: list[Disruption] = []
    for day in sorted(day for day, share in shares.items() if share >= CANCELLED and first <= day <= last):
        if found and day - found[-1].last <= APART:
            found[-1] = Disruption(found[-1].first, day, max(found[-1].cancelled, shares[day]))
        else:
            found.append(Disruption(day, day, shares[day]))
    return found
