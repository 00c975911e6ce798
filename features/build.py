"""Build the features of one partition: the one function behind training and nightly scoring."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from features.declarations import Aggregate, FeatureSet, Kind, Lookup, Trailing
from features.matching import match_keys
from features.rows import compute_columns

Totals = Mapping[int, tuple[int, int]]
"""Count and sum over all groups of an aggregate, by window."""

_Matched = tuple[pd.DataFrame, np.ndarray]
"""Groups, and for every row the position of its own."""


def build_features(
    population: pd.DataFrame,
    feature_set: FeatureSet,
    *,
    entity_id: str,
    dimensions: Mapping[str, pd.DataFrame],
    windows: Mapping[Aggregate, pd.DataFrame],
    totals: Mapping[Aggregate, Totals] = MappingProxyType({}),
) -> pd.DataFrame:
    """Features of every entity of ``population`` (or of one shard of it).

    Args:
        population: validated rows of one partition.
        entity_id: name of the id column.
        dimensions: validated rows of every dimension that the feature set looks up, by source.
        windows: for every aggregate of the feature set what :func:`features.tiles.sum_windows` gave for the partition,
            with all the windows that the feature set uses.
        totals: by window the count and sum over all groups, of aggregates whose windows hold some groups only: those of
            the entities of ``population``.

    Returns:
        A new frame in the order of ``population``: the id, then the feature set's columns; numbers are float64,
        categories str, and what is not known is missing.  A row's features do not depend on which other rows come with
        it, as long as row functions look at one row at a time.

    Raises:
        KeyError: a column that a declaration names is not there.
        ValueError: keys that should be equal are of different kinds, or a feature is not of its kind.
    """
    rows = population.reset_index(drop=True)
    for lookup in feature_set.lookups:
        rows = _attach_lookup(rows, feature_set, lookup, dimensions[lookup.source])
    names = [feature.name for feature in feature_set.features]
    keys = [key for item in feature_set.trailing for key in item.keys]
    columns = compute_columns(rows, feature_set, dict.fromkeys([*names, *keys]))
    built = {
        feature.name: _to_kind(feature.name, columns[feature.name], feature.kind) for feature in feature_set.features
    }
    matched: dict[tuple[str, ...], list[_Matched]] = {}
    for item in feature_set.trailing:
        sums = windows[item.aggregate]
        positions = _match_groups(columns, item, sums, matched.setdefault(item.keys, []))
        built.update(_trailing_columns(columns.index, positions, item, sums, totals.get(item.aggregate)))
    order = [feature.name for feature in feature_set.columns]
    return pd.DataFrame({entity_id: rows[entity_id], **{name: built[name] for name in order}})


def _attach_lookup(
    rows: pd.DataFrame, feature_set: FeatureSet, lookup: Lookup, dimension: pd.DataFrame
) -> pd.DataFrame:
    """``rows`` with the lookup's columns, in the same order and number."""
    keys = compute_columns(rows, feature_set, lookup.on)
    positions = match_keys(keys, dimension[list(lookup.key)], f"the lookup of {lookup.source}")
    additions = {
        name: pd.Series(_make_nullable(dimension[name]).array.take(positions, allow_fill=True), index=rows.index)
        for name in lookup.columns
    }
    return rows.assign(**additions)


def _make_nullable(values: pd.Series) -> pd.Series:
    """The values in a dtype that can hold a missing one, so that it does not depend on whether any row has one."""
    if values.dtype.kind == "b":
        return values.astype("boolean")
    if values.dtype.kind in "iu" and isinstance(values.dtype, np.dtype):
        nullable: Any = values.dtype.name.replace("int", "Int").replace("uI", "UI")
        return values.astype(nullable)
    return values


def _match_groups(rows: pd.DataFrame, item: Trailing, sums: pd.DataFrame, matched: list[_Matched]) -> np.ndarray:
    """For every row the position of its group, or -1; without keys there is one group of all.

    Args:
        matched: what the same columns of the rows were matched with before, to which this is added.
    """
    if not item.aggregate.by:
        return np.zeros(len(rows), "int64")
    groups = sums[list(item.aggregate.by)]
    for others, positions in matched:
        if groups.equals(others):  # of aggregates that are kept together: a tenth of what matching takes
            return positions
    positions = match_keys(rows[list(item.keys)], groups, item.aggregate.name)
    matched.append((groups, positions))
    return positions


def _trailing_columns(
    index: pd.Index, positions: np.ndarray, item: Trailing, sums: pd.DataFrame, overall_totals: Totals | None
) -> dict[str, pd.Series]:
    """The item's columns, one value a row."""
    found = positions >= 0
    unit = 10.0**item.aggregate.scale
    result = {}
    for window in item.windows:
        counts = sums[f"count_{window}"].to_numpy()
        totals = sums[f"sum_{window}"].to_numpy()
        count = np.where(found, counts[positions] if len(counts) else 0, 0)
        total = np.where(found, totals[positions] if len(totals) else 0, 0) / unit
        if item.function == "count":
            values = count.astype("float64")
        elif item.function == "sum":
            values = total
        else:
            everything, whole = (
                (int(counts.sum()), _add_exactly(totals)) if overall_totals is None else overall_totals[window]
            )
            overall = whole / unit / everything if everything else np.nan
            values = _smoothed_mean(count, total, overall, item.smoothing)
        result[item.column(window)] = pd.Series(values, index=index, dtype="float64")
    return result


def _smoothed_mean(count: np.ndarray, total: np.ndarray, overall: float, smoothing: float) -> np.ndarray:
    """``(total + smoothing * overall) / (count + smoothing)``; missing where there is nothing to go by."""
    weight = count + smoothing
    prior = smoothing * overall if smoothing else 0.0
    result = np.full(len(count), np.nan)
    np.divide(total + prior, weight, out=result, where=weight > 0)
    return result


def _add_exactly(totals: np.ndarray) -> int:
    """The sum of int64 values over all groups, which need not fit into an int64 itself."""
    return (int((totals >> 32).sum()) << 32) + int((totals & 0xFFFFFFFF).sum())


def _to_kind(name: str, values: pd.Series, kind: Kind) -> pd.Series:
    if kind == "category":
        return _to_category(values)
    known = values.where(values.notna(), np.nan) if values.dtype == "object" else values
    try:
        return known.astype("float64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"feature {name} is declared a number and is {values.dtype}: {error}") from error


def _to_category(values: pd.Series) -> pd.Series:
    """Every value as text by itself: pandas writes 1.0 or 1, and a day with or without a time, by the rows around."""
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("str")
    if values.dtype == "object":  # where 1 and True would be taken for one value
        texts = [_write_category(value) if known else None for value, known in zip(values, values.notna(), strict=True)]
        return pd.Series(pd.array(texts, dtype="str"), index=values.index)
    codes, different = pd.factorize(values)
    written = pd.array([_write_category(value) for value in different], dtype="str")
    return pd.Series(written.take(codes, allow_fill=True), index=values.index)


def _write_category(value: Any) -> str:
    """The text of one value; a whole number is written like an integer, whichever type it came in."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
