"""Measures: numbers that say how far a delivery contradicts itself, other sources or the deliveries before it.

A unit that changed, a column that slipped or a file that came again leaves every value plausible by itself, and breaks
what holds between values: a route has one length, a flight that landed was due its delay earlier, three airports of one
city have one weather.  Real events, however extreme, do not break it.  So a job declares such relations; each becomes
the share of rows that break it, 0.0 to 1.0, a column of the profile table named ``measure.<name>`` that suites judge.

Rows have passed their contract.  What is missing contradicts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import DeclarationError
from pipeline.job import Source, import_attribute

PREFIX = "measure."
"""What the columns of the profile table that hold measures begin with."""

AGE = "_age"
"""Column of a reference's rows: how many partitions before the delivery they are from, int64."""

Values = Callable[[pd.DataFrame], pd.Series]


@dataclass(frozen=True)
class Reference:
    """Deliveries that a delivery is compared with.

    Attributes:
        source: whose they are; the delivery's own source, or another one of the job.
        ages: how many partitions before the delivery's own, each at least 1: these have been validated by then.
        least: how many of them have to be there; with fewer, what needs the reference is not measured.
    """

    source: str
    ages: tuple[int, ...]
    least: int = 1

    def __post_init__(self) -> None:
        if not self.ages or min(self.ages) < 1 or not 1 <= self.least <= len(self.ages):
            raise ValueError(f"a reference to {self.source} cannot have ages {self.ages} and need {self.least} of them")


@dataclass(frozen=True)
class Measure:
    """One number about a delivery.

    Attributes:
        compute: from the delivery's rows, the reference's rows (empty without a reference) with their age in
            ``_age``, and the partition, the share of rows that break the relation.
        together: columns whose equal values have to be looked at together.  Of a large source a sample is measured: all
            rows of some values of these columns, uniformly chosen.
    """

    name: str
    compute: Callable[[pd.DataFrame, pd.DataFrame, date], float]
    together: tuple[str, ...]
    reference: Reference | None = None

    @property
    def column(self) -> str:
        """The measure's column of the profile table."""
        return PREFIX + self.name


def load_measures(source: Source) -> tuple[Measure, ...]:
    """Import what the source declares to be measured.

    Raises:
        DeclarationError: the path names no tuple of measures, or two of them have one name.
    """
    if source.measures is None:
        return ()
    measures = import_attribute(source.measures)
    if not isinstance(measures, tuple) or not all(isinstance(item, Measure) for item in measures):
        raise DeclarationError(
            f"{source.measures} is no tuple of measures",
            found=type(measures).__name__,
            next_step="correct the dotted path in the job's declaration",
        )
    names = [item.name for item in measures]
    if len(set(names)) < len(names):
        raise DeclarationError(
            f"two measures of {source.measures} have the same name",
            found=", ".join(sorted({name for name in names if names.count(name) > 1})),
            next_step="give every measure a name of its own",
        )
    return measures


def share_broken(name: str, key: Sequence[str], holds: Values) -> Measure:
    """The share of rows, told apart by ``key``, of which ``holds`` says False."""

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        return _share(~holds(rows).to_numpy(dtype=bool, na_value=True))

    return Measure(name, compute, tuple(key))


def share_off_day(name: str, key: Sequence[str], column: str, timezone: str, days: int = 0) -> Measure:
    """The share of rows whose moment is on another local day than ``days`` after the partition."""

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        day = pd.Timestamp(partition) + pd.Timedelta(days=days)
        found = rows[column].dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()
        return _share((found.notna() & (found != day)).to_numpy())

    return Measure(name, compute, tuple(key))


def share_apart(name: str, column: str, by: str, tolerance: float) -> Measure:
    """The share of rows whose number is further than ``tolerance`` from the median of the rows with the same ``by``."""

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        middle = rows.groupby(by)[column].transform("median")
        return _share(((rows[column] - middle).abs() > tolerance).to_numpy())

    return Measure(name, compute, (by,))


def share_unlike(name: str, reference: Reference, on: Sequence[str], value: Values, tolerance: float) -> Measure:
    """The share of rows whose number is further than ``tolerance`` from the usual one of the same key.

    The usual one is the median over the reference's rows.  Rows whose key the reference lacks are left out:
    :func:`share_unknown` is about them.
    """
    keys = list(on)

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        usual = reference[keys].assign(usual=value(reference)).groupby(keys, as_index=False)["usual"].median()
        beside = rows[keys].assign(value=value(rows)).merge(usual, on=keys, how="inner")
        return _share(((beside["value"] - beside["usual"]).abs() > tolerance).to_numpy())

    return Measure(name, compute, tuple(keys), reference)


def share_changed(name: str, reference: Reference, on: Sequence[str], columns: Sequence[str]) -> Measure:
    """The share of rows of which any of ``columns`` differs from the reference's newest row of the same key."""
    keys, compared = list(on), list(columns)

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        newest = reference.sort_values(AGE, kind="stable").drop_duplicates(keys)[[*keys, *compared]]
        beside = rows[[*keys, *compared]].merge(newest, on=keys, how="inner", suffixes=("", "_before"))
        differs = np.zeros(len(beside), dtype=bool)
        for column in compared:
            now, before = beside[column], beside[f"{column}_before"]
            differs |= (now.notna() & before.notna() & (now != before)).to_numpy(dtype=bool, na_value=False)
        return _share(differs)

    return Measure(name, compute, tuple(keys), reference)


def share_unknown(name: str, reference: Reference, on: Sequence[str]) -> Measure:
    """The share of rows whose key no row of the reference has."""
    keys = list(on)

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        whole = rows[keys].notna().all(axis=1).to_numpy()
        return _share(whole & ~_is_among(rows, reference, keys))

    return Measure(name, compute, tuple(keys), reference)


def share_repeated(name: str, reference: Reference, on: Sequence[str]) -> Measure:
    """The largest share of rows that a single delivery of the reference has too, by ``on``."""
    keys = list(on)

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        whole = rows[keys].notna().all(axis=1).to_numpy()
        own, theirs = _number_keys(rows, reference, keys)
        ages = reference[AGE].to_numpy()
        return max((_share(whole & np.isin(own, theirs[ages == age])) for age in np.unique(ages)), default=0.0)

    return Measure(name, compute, tuple(keys), reference)


def share_absent(name: str, reference: Reference, on: Sequence[str]) -> Measure:
    """The share of keys that every delivery of the reference has and this one has not."""
    keys = list(on)

    def compute(rows: pd.DataFrame, reference: pd.DataFrame, partition: date) -> float:
        came: pd.DataFrame = reference.groupby(keys)[AGE].nunique().reset_index()
        always = came[came[AGE] == reference[AGE].nunique()]
        return _share(~_is_among(always, rows, keys))

    return Measure(name, compute, tuple(keys), reference)


def _is_among(rows: pd.DataFrame, others: pd.DataFrame, keys: list[str]) -> npt.NDArray[np.bool_]:
    """Of every row, whether ``others`` has its key."""
    return np.isin(*_number_keys(rows, others, keys))


def _number_keys(
    rows: pd.DataFrame, others: pd.DataFrame, keys: list[str]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """A number for every row of either frame; rows with equal keys have the same."""
    both = pd.concat([rows[keys], others[keys]], ignore_index=True)
    numbers: npt.NDArray[Any] = both.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    return numbers[: len(rows)], numbers[len(rows) :]


def _share(broken: npt.NDArray[np.bool_]) -> float:
    """The share of True; 0.0 of nothing."""
    return float(broken.mean()) if len(broken) else 0.0
