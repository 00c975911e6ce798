"""Rows matched with groups by equal keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

KINDS = {"b": "bool", "i": "number", "u": "number", "f": "number", "M": "timestamp", "m": "duration"}
OBJECT_KINDS = {
    "string": "text",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "boolean": "bool",
}
DTYPES = {"text": "str", "bool": "bool"}


def match_keys(keys: pd.DataFrame, groups: pd.DataFrame, what: str) -> np.ndarray:
    """For every row of ``keys`` the position of the equal row of ``groups``, or -1; a missing key matches nothing.

    Columns are compared by their order, not their names; an int64 equals an Int64, whichever other rows there are.

    Args:
        what: which declaration the keys belong to, for messages.

    Raises:
        ValueError: two columns are of different kinds, such as text and numbers, so that nothing would be equal.
    """
    rows = np.flatnonzero(keys.notna().all(axis=1))
    candidates = np.flatnonzero(groups.notna().all(axis=1))
    positions = np.full(len(keys), -1, dtype="int64")
    if not len(rows) or not len(candidates):
        return positions
    pairs = [
        _make_comparable(keys.iloc[rows, column], groups.iloc[candidates, column], what)
        for column in range(len(groups.columns))
    ]
    found = _find([key for key, _ in pairs], [group for _, group in pairs])
    positions[rows] = np.where(found >= 0, candidates[found], -1)
    return positions


def _find(keys: list[pd.Series], groups: list[pd.Series]) -> np.ndarray:
    """For every row of the keys the position of the equal group, or -1; groups are all different."""
    if len(groups) == 1 and isinstance(groups[0].dtype, pd.StringDtype):  # four times as fast as pandas' index of text
        found = pc.index_in(pa.array(keys[0]), value_set=pa.array(groups[0]))
        return np.asarray(pc.fill_null(found, -1))
    return _index_of(groups).get_indexer(_index_of(keys))


def _index_of(columns: list[pd.Series]) -> pd.Index:
    return pd.Index(columns[0]) if len(columns) == 1 else pd.MultiIndex.from_arrays(columns)


def _make_comparable(key: pd.Series, group: pd.Series, what: str) -> tuple[pd.Series, pd.Series]:
    """Both columns in the dtype in which equal values are equal."""
    kinds = _kind_of(key), _kind_of(group)
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"{what} matches {key.name} ({key.dtype}) with {group.name} ({group.dtype}), and these never are equal;"
            " bring both to one dtype in the contract or in a row feature"
        )
    dtype = _common_dtype(key, group, kinds[0])
    return (key, group) if dtype is None else (key.astype(dtype), group.astype(dtype))


def _kind_of(values: pd.Series) -> str:
    """What sort of value a column without missing ones holds."""
    dtype = values.dtype
    if isinstance(dtype, pd.StringDtype):
        return "text"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "timestamp in a zone"
    if dtype.kind in KINDS:
        return KINDS[dtype.kind]
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    return OBJECT_KINDS.get(inferred, inferred)


def _common_dtype(key: pd.Series, group: pd.Series, kind: str) -> Any:
    """The dtype that holds both columns without loss, None where pandas compares them as they are."""
    if kind != "number":
        return DTYPES.get(kind)
    kinds = {column.infer_objects().dtype.kind for column in (key, group)}
    if "f" in kinds:
        return "float64"
    return "int64" if kinds == {"i"} else None
