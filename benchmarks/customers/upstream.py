"""Deliveries of the customers job, made up: the same sizes and the same day give the same bytes, always.

A day is made in parts of at most a million rows, each with a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.customers.contracts import CHANNELS, COUNTRIES, DEVICES, KINDS, PLANS, SEGMENTS

PART_ROWS = 1_000_000
_MICROSECONDS_A_DAY = 86_400_000_000
_CUSTOMERS, _EVENTS, _OUTCOMES = range(3)

Random = np.random.Generator


def make_customers(customers: int, day: date) -> list[pa.Table]:
    """The population of a day: the first ``customers`` of all, whose ids never change."""
    return list(_make_parts(customers, day, _CUSTOMERS, _make_customers))


def make_events(events: int, customers: int, day: date) -> list[pa.Table]:
    """``events`` of one day by ``customers`` of whom some are far more active than others."""

    def make(first: int, rows: int, random: Random) -> pa.Table:
        return _make_events(first, rows, random, customers, day)

    return list(_make_parts(events, day, _EVENTS, make))


def make_outcomes(customers: int, day: date) -> list[pa.Table]:
    """Who of the population of the day before has left."""
    population = make_customers(customers, day - timedelta(days=1))
    random = np.random.default_rng([_OUTCOMES, day.toordinal()])
    return [_make_outcomes(table, random) for table in population]


def _make_parts(rows: int, day: date, kind: int, make: Callable[[int, int, Random], pa.Table]) -> Iterator[pa.Table]:
    for part, first in enumerate(range(0, rows, PART_ROWS)):
        random = np.random.default_rng([kind, day.toordinal(), part])
        yield make(first, min(PART_ROWS, rows - first), random)


def _make_customers(first: int, rows: int, random: Random) -> pa.Table:
    segment = random.integers(len(SEGMENTS), size=rows)
    credit = np.round(random.gamma(2.0, 1_500.0, rows).clip(0, 100_000), 2)
    return pa.table(
        {
            "customer_id": _name_customers(np.arange(first, first + rows)),
            "country": _choose(COUNTRIES, random.integers(len(COUNTRIES), size=rows)),
            "segment": _choose(SEGMENTS, segment),
            "plan": _choose(PLANS, random.integers(len(PLANS), size=rows)),
            "channel": _choose(CHANNELS, random.integers(len(CHANNELS), size=rows)),
            "device": _choose(DEVICES, random.integers(len(DEVICES), size=rows)),
            "age": np.rint(random.normal(45, 15, rows).clip(18, 110)).astype("int64"),
            "tenure_months": random.exponential(50, rows).clip(0, 600).astype("int64"),
            "products": 1 + random.binomial(11, 0.2, rows).astype("int64"),
            "tickets": random.poisson(2.0, rows).astype("int64"),
            "newsletter": random.random(rows) < 0.4,
            "balance": np.round(random.lognormal(7.0, 1.2, rows).clip(-100_000, 10_000_000), 2),
            "credit_limit": np.where(segment == SEGMENTS.index("student"), np.minimum(credit, 2_000), credit),
            "income": _with_gaps(np.round(random.lognormal(10.4, 0.6, rows).clip(0, 10_000_000), 2), 0.15, random),
            "score": _with_gaps(random.beta(5, 2, rows), 0.05, random),
            "discount": np.round(random.beta(2, 8, rows).clip(0, 0.9), 3),
            "basket": np.round(random.lognormal(3.4, 0.8, rows).clip(0, 100_000), 2),
            "distance_km": np.round(random.exponential(40, rows).clip(0, 20_000), 1),
            "rating": _with_gaps(random.integers(1, 6, rows).astype("float64"), 0.4, random),
            "days_since_login": random.exponential(20, rows).clip(0, 10_000).astype("int64"),
        }
    )


def _make_events(first: int, rows: int, random: Random, customers: int, day: date) -> pa.Table:
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    kind = random.choice(len(KINDS), size=rows, p=[0.5, 0.08, 0.42])
    return pa.table(
        {
            "event_id": day.toordinal() * 1_000_000_000 + np.arange(first, first + rows),
            "customer_id": _name_customers((customers * random.random(rows) ** 1.5).astype("int64")),
            "kind": _choose(KINDS, kind),
            "amount": np.round(random.lognormal(3.2, 0.9, rows).clip(0, 10_000), 2),
            "is_returned": kind == KINDS.index("refund"),
            "occurred_at": pa.array(
                midnight + random.integers(_MICROSECONDS_A_DAY, size=rows), pa.timestamp("us", "UTC")
            ),
        }
    )


def _make_outcomes(population: pa.Table, random: Random) -> pa.Table:
    """The longer the last login is ago and the lower the rating, the likelier it is that somebody leaves."""
    idle = population["days_since_login"].to_numpy()
    rating = pc.fill_null(population["rating"], 3.0).to_numpy()
    free = np.asarray(pc.equal(population["plan"], "free"))
    odds = np.exp(-3.0 + 0.03 * idle - 0.3 * (rating - 3.0) + 0.5 * free)
    return pa.table({"customer_id": population["customer_id"], "left": random.random(len(idle)) < odds / (1 + odds)})


def _name_customers(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Ids of 13 characters."""
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=12, padding="0")
    return pc.binary_join_element_wise("C", digits, "")


def _choose(values: Sequence[str], codes: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(values).take(pa.array(codes))


def _with_gaps(values: npt.NDArray[np.float64], share: float, random: Random) -> pa.Array:
    """The values, of which this share is missing."""
    return pa.array(values, mask=random.random(len(values)) < share)
