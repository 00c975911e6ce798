"""How near to its limits clean data came: what the thresholds were chosen by, and what became of them later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from rich.console import Console
from rich.table import Table

from pipeline.contracts import describe_expectation, load_suite
from pipeline.jobs.flight_delays.job import JOB
from trials.faults.trial import DAILY, Outcomes


@dataclass(frozen=True)
class Limit:
    """A limit that flags, and the values of clean nights.

    Attributes:
        column: of the profile table.
        low, high: the limits; None for none.
        lowest, highest: values of the nights, with the night.
        nights: on which there was a value.
        beyond: nights outside the limits.
    """

    source: str
    column: str
    low: float | None
    high: float | None
    lowest: tuple[float, date]
    highest: tuple[float, date]
    nights: int
    beyond: int


def find_limits(nights: Mapping[date, Outcomes]) -> list[Limit]:
    """Every limit that flags a delivery, beside what clean nights had."""
    limits = []
    for source in DAILY:
        suite = load_suite(JOB.source(source), JOB.trailing_profiles)
        assert suite is not None, f"{source} is judged"
        for expectation in suite.profile:
            described = describe_expectation(expectation)
            column = described["expected"]["column"]
            values = [
                (outcomes[source].values[column], night)
                for night, outcomes in nights.items()
                if outcomes[source].values.get(column) is not None
            ]
            if described["severity"] == "warning" and values:
                low, high = (described["expected"].get(name) for name in ("min_value", "max_value"))
                beyond = [value for value, _ in values if not _is_within(value, low, high)]
                limits.append(Limit(source, column, low, high, min(values), max(values), len(values), len(beyond)))
    return limits


def print_limits(console: Console, limits: Sequence[Limit]) -> None:
    """The limits as a table."""
    table = Table(title="Limits that flag, and what clean nights had")
    for name in ("source", "column", "limit", "farthest", "on", "nights", "beyond"):
        table.add_column(name, justify="left" if name in ("source", "column") else "right")
    for limit in limits:
        for bound, (value, night), sign in ((limit.low, limit.lowest, ">="), (limit.high, limit.highest, "<=")):
            if bound is not None:
                facts = (f"{sign} {bound:g}", f"{value:.4g}", night.isoformat(), str(limit.nights), str(limit.beyond))
                table.add_row(limit.source, limit.column, *facts)
    console.print(table)


def _is_within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
