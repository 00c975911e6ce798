"""How features are declared.

A feature set is a named, versioned list of features over three kinds of declaration:

* a **row feature** is a pure function named after its column, whose parameters name the columns it is computed from
  (source columns or other row features); it takes and returns a :class:`pandas.Series`;
* a **trailing** feature is added up from daily tiles of a source: by which columns, of what value, over which windows;
* a **lookup** brings columns of a dimension in by its key.

The same declarations serve training and scoring.  Nothing here knows how or where frames are stored.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType
from typing import Any, Literal

import pandas as pd

from features.code import describe_code, root_package

RowFunction = Callable[..., pd.Series]
Function = Literal["mean", "count", "sum"]
Kind = Literal["number", "category"]


@dataclass(frozen=True)
class Aggregate:
    """What a daily tile holds: per group, how many values there were and their sum.

    Sums are kept as integers of ``10 ** -scale``, so that adding tiles up does not depend on their order.  Rows whose
    value is missing count for nothing; rows with a missing key form no group.

    Attributes:
        source: name of the source the rows come from.
        by: key columns (source columns or row features); empty for one group of everything.
        value: the column or row feature that is added up; None counts rows.
        scale: decimals of the value that are kept.
    """

    source: str
    by: tuple[str, ...]
    value: str | None = None
    scale: int = 0

    @property
    def name(self) -> str:
        """Such as ``flights.is_late_by_origin_carrier``."""
        return f"{self.source}.{self.value or 'rows'}_by_{'_'.join(self.by) or 'all'}"


@dataclass(frozen=True)
class Trailing:
    """Features from the tiles of the newest 1, 7, … partitions up to and including the one scored.

    ``mean`` is smoothed toward the mean over all groups in the same window, ``(sum + smoothing * overall) / (count +
    smoothing)``, so that a group seen twice does not pretend to a rate (the additive smoothing of Laplace with an
    empirical prior).  ``count`` and ``sum`` are 0 for a group that was not seen.

    Attributes:
        on: the population's columns that are matched with ``aggregate.by``, where they are called otherwise.
    """

    aggregate: Aggregate
    windows: tuple[int, ...]
    function: Function = "mean"
    smoothing: float = 0.0
    on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.windows or min(self.windows) < 1:
            raise ValueError(f"{self.aggregate.name}: windows must be 1 partition or more, not {self.windows}")
        if self.function != "count" and self.aggregate.value is None:
            raise ValueError(f"{self.aggregate.name}: {self.function} needs a value")
        if self.on and len(self.on) != len(self.aggregate.by):
            raise ValueError(f"{self.aggregate.name}: {self.on} does not match {self.aggregate.by}")

    @property
    def keys(self) -> tuple[str, ...]:
        """The population's columns that choose the group."""
        return self.on or self.aggregate.by

    def column(self, window: int) -> str:
        """Such as ``is_late_mean_by_origin_7d``."""
        value = self.aggregate.value or f"{self.aggregate.source}_rows"
        return f"{value}_{self.function}_by_{'_'.join(self.keys) or 'all'}_{window}d"

    @property
    def columns(self) -> tuple[str, ...]:
        """One column a window."""
        return tuple(self.column(window) for window in self.windows)


@dataclass(frozen=True)
class Lookup:
    """Columns of a dimension, matched by its key; an entity that it does not know gets missing values.

    Attributes:
        source: name of the dimension.
        on: the population's columns or row features that are matched with ``key``.
        key: the dimension's key columns.
        columns: what is brought in; row features may build on it.
    """

    source: str
    on: tuple[str, ...]
    key: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Feature:
    """A column of the feature set: a population column, a row feature or a trailing column, and its kind."""

    name: str
    kind: Kind = "number"


@dataclass(frozen=True)
class FeatureSet:
    """A named, versioned list of features.

    Attributes:
        row_functions: row features, on any frame that has their columns; they serve population and events alike.
        features: the population's columns and row features that the model gets.
        trailing: trailing features, all of which the model gets.
        lookups: dimensions, brought in before row features are computed.
    """

    name: str
    version: int
    row_functions: tuple[RowFunction, ...] = ()
    features: tuple[Feature, ...] = ()
    trailing: tuple[Trailing, ...] = ()
    lookups: tuple[Lookup, ...] = field(default=())

    def __post_init__(self) -> None:
        for function in self.row_functions:
            if not isinstance(function, FunctionType) or not function.__name__.isidentifier():
                raise ValueError(f"feature set {self.name}: {function!r} must be a plain function, named by its column")
        for what, names in (
            ("columns", [feature.name for feature in self.columns]),
            ("row functions", [function.__name__ for function in self.row_functions]),
        ):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"feature set {self.name}: {what} repeat: {repeated}")

    @cached_property
    def columns(self) -> tuple[Feature, ...]:
        """Every feature of the set, in the order in which the model gets them."""
        trailing = tuple(Feature(column) for item in self.trailing for column in item.columns)
        return self.features + trailing

    @cached_property
    def functions(self) -> dict[str, RowFunction]:
        """Row functions by the column they make."""
        return {function.__name__: function for function in self.row_functions}

    @cached_property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """Every aggregate that a trailing feature needs, once, in order of first use."""
        return tuple(dict.fromkeys(item.aggregate for item in self.trailing))

    def longest_window(self, source: str) -> int:
        """Partitions of ``source`` that the trailing features reach back over; 0 if none does."""
        return max((max(item.windows) for item in self.trailing if item.aggregate.source == source), default=0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the definitions: names, parameters and the code of every row function.

        Raises:
            ValueError: a row function uses something that has no definition to tell, such as a fitted model.
        """
        return _digest(
            {
                "name": self.name,
                "version": self.version,
                "functions": {name: self._describe(name) for name in self.functions},
                "features": [vars(feature) for feature in self.columns],
                "trailing": [
                    [vars(item.aggregate), item.keys, item.windows, item.function, item.smoothing]
                    for item in self.trailing
                ],
                "lookups": [vars(lookup) for lookup in self.lookups],
            }
        )

    def check_definitions(self) -> None:
        """Take every digest once.

        Raises:
            ValueError: a row function uses a value that has no description; the message names both.
        """
        _ = self.digest, self.aggregate_digests

    @cached_property
    def aggregate_digests(self) -> dict[Aggregate, str]:
        """By aggregate, the SHA-256 of what it depends on: its parameters and the row functions behind its columns.

        Raises:
            ValueError: as for the digest of the whole.
        """
        return {aggregate: self._digest_aggregate(aggregate) for aggregate in self.aggregates}

    def _digest_aggregate(self, aggregate: Aggregate) -> str:
        needed = self.required_functions([*aggregate.by, *([aggregate.value] if aggregate.value else [])])
        functions = {name: self._describe(name) for name in needed}
        return _digest({"aggregate": vars(aggregate), "functions": functions})

    def _describe(self, name: str) -> Any:
        """What a row function means; the packages that row functions are in are the project's, installed or not."""
        project = {root_package(function) for function in self.row_functions}
        return describe_code(self.functions[name], f"row function {name}", project)

    def find_missing(self, wanted: Iterable[str], available: Collection[str]) -> list[str]:
        """What of the ``wanted`` columns and row features cannot be had from the ``available`` columns, by name."""
        missing: list[str] = []
        for name in wanted:
            if name in available:
                continue
            if name not in self.functions:
                missing.append(name)
                continue
            parameters = inspect.signature(self.functions[name]).parameters
            lacking = self.find_missing(parameters, available)
            missing += [f"{lack}, for {name}" for lack in lacking]
        return list(dict.fromkeys(missing))

    def required_columns(self, wanted: Iterable[str], available: Collection[str]) -> list[str]:
        """Which of the ``available`` columns are needed to have the ``wanted`` columns and row features."""
        needed: list[str] = []
        for name in wanted:
            if name in available:
                needed.append(name)
            elif name in self.functions:
                needed += self.required_columns(inspect.signature(self.functions[name]).parameters, available)
        return list(dict.fromkeys(needed))

    def required_functions(self, columns: list[str]) -> list[str]:
        """Names of the row functions behind ``columns``, each after those it builds on."""
        ordered: list[str] = []

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise ValueError(f"row features build on each other in a circle: {' -> '.join((*path, name))}")
            if name in ordered or name not in self.functions:
                return
            for parameter in inspect.signature(self.functions[name]).parameters:
                visit(parameter, (*path, name))
            ordered.append(name)

        for column in columns:
            visit(column, ())
        return ordered


def _digest(definitions: Any) -> str:
    text = json.dumps(definitions, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
