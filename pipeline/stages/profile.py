"""Profile: exact statistics of a frame that merge into those of a larger one, and what a night says beside others.

A profile is the same, bit for bit, however its rows were ordered and sharded.  It is made in the pass that validates,
so it has seen every row, also where a batch is too large for more than a sample of it to be looked at again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from pipeline.contracts import Contract
from pipeline.stages.column_profiles import (
    CategoryProfile,
    ColumnProfile,
    NumberProfile,
    column_from_json,
    merge_columns,
    profile_column,
)

QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}
"""Columns of the profile table and the shares they stand for."""

TABLE_CATEGORIES = 50
"""Most frequent categories that get a column of the profile table; a suite may name any other one."""


@dataclass(frozen=True)
class Profile:
    """Exact statistics of a frame: its rows, and one profile a column."""

    rows: int
    columns: dict[str, ColumnProfile]

    def null_share(self, column: str) -> float:
        """Share of rows in which ``column`` is missing; NaN of no rows."""
        return self.columns[column].nulls / self.rows if self.rows else math.nan

    def mean(self, column: str) -> float:
        """Mean of a column of numbers; NaN of nothing."""
        return self._numbers(column).mean()

    def std(self, column: str) -> float:
        """Population standard deviation of a column of numbers; NaN of nothing."""
        return self._numbers(column).std()

    def quantile(self, column: str, share: float) -> float:
        """Quantile of a column of numbers, as estimated by :meth:`NumberProfile.quantile`."""
        return self._numbers(column).quantile(share)

    def share(self, column: str, category: str) -> float:
        """Share of ``category`` in a column of text; NaN of nothing, or where there are too many categories."""
        return self._texts(column).share(category)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal profile."""
        return {"rows": self.rows, "columns": {name: column.to_json() for name, column in self.columns.items()}}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Profile:
        """The profile that ``value`` was made from."""
        return cls(value["rows"], {name: column_from_json(item) for name, item in sorted(value["columns"].items())})

    def _numbers(self, column: str) -> NumberProfile:
        profile = self.columns[column]
        if not isinstance(profile, NumberProfile):
            raise TypeError(f"{column} is a {profile.kind} column, not one of numbers")
        return profile

    def _texts(self, column: str) -> CategoryProfile:
        profile = self.columns[column]
        if not isinstance(profile, CategoryProfile):
            raise TypeError(f"{column} is a {profile.kind} column, not one of text")
        return profile


def profiled_columns(contract: Contract, key: Sequence[str]) -> tuple[str, ...]:
    """The contract's columns that a profile is of: all but a key of one column, whose values say nothing."""
    return tuple(name for name in contract.columns if (name,) != tuple(key))


def profile_frame(frame: pd.DataFrame, columns: Sequence[str]) -> Profile:
    """The profile of ``columns`` of ``frame``: numbers and booleans, text, and of other dtypes the presence."""
    return Profile(len(frame), {name: profile_column(frame[name]) for name in sorted(columns)})


def merge_profiles(profiles: Sequence[Profile]) -> Profile:
    """The profile of all rows together.

    Raises:
        ValueError: there is no profile, or they are of different columns.
    """
    if not profiles:
        raise ValueError("there is no profile to merge")
    columns = dict(profiles[0].columns)
    for other in profiles[1:]:
        if columns.keys() != other.columns.keys():
            raise ValueError(f"profiles of different columns: {sorted(columns)} and {sorted(other.columns)}")
        columns = {name: merge_columns(column, other.columns[name]) for name, column in columns.items()}
    return Profile(sum(profile.rows for profile in profiles), columns)


def profile_table(profile: Profile, trailing: Sequence[Profile], wanted: Sequence[str] = ()) -> pd.DataFrame:
    """One row that says how a partition looks, and how it looks beside those before it; every column is float64.

    ===========================  =======================================================================================
    ``rows``                     rows
    ``rows_ratio``               rows divided by the median of the trailing partitions' rows
    ``null_share.<col>``         share of rows in which the column is missing
    ``mean.<col>``               mean; of booleans, the share of true
    ``mean_shift.<col>``         mean less the mean over all trailing rows, in standard deviations of the trailing rows
    ``q05 q50 q95.<col>``        quantiles
    ``share.<col>.<category>``   share of a category in what is not missing, for the 50 most frequent ones tonight and
                                 before, and for every one in ``wanted``
    ``share_shift.<col>``        total variation distance of the shares to those over all trailing rows, 0 to 1
    ===========================  =======================================================================================

    What compares is left out where there is nothing to compare with.  A value is missing where there was nothing to
    compute it from, such as the mean of a column that is empty.

    Args:
        trailing: profiles of the partitions before; those of other columns, made under another contract, are left out.
        wanted: names of columns that a suite looks at, as of ``Suite.profile_columns``.
    """
    alike = [other for other in trailing if _shape(other) == _shape(profile)]
    pooled = merge_profiles(alike) if alike else None
    row: dict[str, float] = {"rows": profile.rows}
    if alike:
        row["rows_ratio"] = _ratio(profile.rows, statistics.median(other.rows for other in alike))
    for name, column in profile.columns.items():
        row[f"null_share.{name}"] = profile.null_share(name)
        before = pooled.columns[name] if pooled is not None else None
        if isinstance(column, NumberProfile):
            row.update(_describe_numbers(name, column, cast("NumberProfile | None", before)))
        elif isinstance(column, CategoryProfile):
            row.update(_describe_text(name, column, cast("CategoryProfile | None", before), wanted))
    return pd.DataFrame([row], dtype="float64")


def _shape(profile: Profile) -> dict[str, str]:
    return {name: column.kind for name, column in profile.columns.items()}


def _describe_numbers(name: str, column: NumberProfile, before: NumberProfile | None) -> Iterator[tuple[str, float]]:
    yield f"mean.{name}", column.mean()
    for label, share in QUANTILES.items():
        yield f"{label}.{name}", column.quantile(share)
    if before is not None:
        yield f"mean_shift.{name}", _ratio(column.mean() - before.mean(), before.std(), of_nothing=0.0)


def _describe_text(
    name: str, column: CategoryProfile, before: CategoryProfile | None, wanted: Sequence[str]
) -> Iterator[tuple[str, float]]:
    known = column if before is None else column.merge(before)
    counts = known.counts or {}
    frequent = sorted(counts, key=lambda category: (-counts[category], category))[:TABLE_CATEGORIES]
    prefix = f"share.{name}."
    asked = [column_name.removeprefix(prefix) for column_name in wanted if column_name.startswith(prefix)]
    for category in dict.fromkeys([*frequent, *asked]):
        yield prefix + category, column.share(category)
    if before is not None:
        categories = counts if column.counts is not None and before.counts is not None else [None]
        distances = [
            abs(column.share(item) - before.share(item)) if item is not None else math.nan for item in categories
        ]
        yield f"share_shift.{name}", math.fsum(distances) / 2 if known.count else math.nan


def _ratio(value: float, unit: float, of_nothing: float = 1.0) -> float:
    """``value / unit``; where the unit is 0, ``of_nothing`` for no value and else infinity."""
    if unit != 0:
        return value / unit
    return of_nothing if value == 0 else math.copysign(math.inf, value)
