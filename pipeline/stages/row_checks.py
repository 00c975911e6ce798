"""What is checked of every row, as positional masks: text, columns, entity ids, keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.check_digest import builtin_name
from pipeline.contracts import POSITION, Contract
from pipeline.errors import DeclarationError

Mask = npt.NDArray[np.bool_]

MAX_ID_BYTES = 64
"""Longest entity id, in bytes of UTF-8 (docs/redis-contract.md)."""

MAX_REASON_LENGTH = 200
MAX_LISTED_VALUES = 10


class Refusals:
    """Reasons and the rows they apply to, in the order of the checks."""

    def __init__(self, rows: int) -> None:
        self._any = np.zeros(rows, dtype=bool)
        self._positions: dict[str, npt.NDArray[np.int64]] = {}

    def add(self, reason: str, refused: Mask) -> None:
        """Refuse the rows at which ``refused`` is true."""
        if not refused.any():
            return
        positions = np.flatnonzero(refused)
        if reason in self._positions:
            positions = np.union1d(self._positions[reason], positions)
        self._positions[reason] = positions
        self._any[positions] = True

    def any(self) -> Mask:
        """True for every row with a reason."""
        return self._any

    def lists(self, most: int) -> pa.Array:
        """The reasons of every refused row, in row order: ``most`` at the most, then the number of the others."""
        counts = np.zeros(len(self._any), dtype=np.int64)
        for positions in self._positions.values():
            counts[positions] += 1
        crowded = sorted({int(count) for count in np.unique(counts) if count > most})
        texts = [*self._positions, *(f"and {count - most} more" for count in crowded)]
        starts = np.concatenate([[0], np.cumsum(np.minimum(counts, most + 1))])
        free = starts[:-1].copy()
        which = np.zeros(int(starts[-1]), dtype=np.int32)
        for number, positions in enumerate(self._positions.values()):
            fitting = positions[free[positions] - starts[positions] < most]
            which[free[fitting]] = number
            free[fitting] += 1
        for number, count in enumerate(crowded, start=len(self._positions)):
            which[free[counts == count]] = number
        offsets = pa.array(np.concatenate([[0], starts[1:][self._any]]), pa.int32())
        return pa.ListArray.from_arrays(offsets, pa.array(texts, pa.string()).take(pa.array(which)))


def check_text(rows: pd.DataFrame, contract: Contract, refusals: Refusals) -> None:
    """Refuse text that was not UTF-8, by the U+FFFD that stands in its place."""
    for name in contract.columns:
        if isinstance(rows[name].dtype, pd.StringDtype):
            found = pc.match_substring(pa.array(rows[name]), "\ufffd")
            refusals.add(f"{name}: must be valid UTF-8 text", _mask(found))


def check_columns(rows: pd.DataFrame, contract: Contract, refusals: Refusals) -> None:
    """Refuse missing and infinite values, and what the contract's checks refuse."""
    for name, column in contract.schema.columns.items():
        values = rows[name]
        if not column.nullable:
            refusals.add(f"{name}: must not be missing", values.isna().to_numpy(dtype=bool))
        if pd.api.types.is_float_dtype(values.dtype) and not contract.may_be_infinite(name):
            refusals.add(f"{name}: must be finite", np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan)))
        for check in column.checks:
            refusals.add(_bounded(f"{name}: {describe(check)}"), _failing(check, values))
    for check in contract.schema.checks:
        refusals.add(_bounded(describe(check)), _failing(check, rows))


def check_entity_ids(ids: pd.Series, refusals: Refusals) -> None:
    """Refuse ids that no reader could ask for; integers are fine, since they are published in decimal."""
    if pd.api.types.is_integer_dtype(ids.dtype):
        return
    if not isinstance(ids.dtype, pd.StringDtype):
        raise DeclarationError(
            f"{ids.name} is the entity id",
            expected="dtype str or an integer",
            found=str(ids.dtype),
            next_step="change the column's dtype in the contract",
        )
    text = pa.array(ids)
    size = pc.binary_length(text)
    refusals.add(f"{ids.name}: must not be empty", _mask(pc.equal(size, 0)))
    refusals.add(f"{ids.name}: must be at most {MAX_ID_BYTES} bytes long", _mask(pc.greater(size, MAX_ID_BYTES)))
    if _may_hold_controls(text):
        found = pc.match_substring_regex(text, r"\p{Cc}")
        refusals.add(f"{ids.name}: must not hold control characters", _mask(found))


def check_keys(rows: pd.DataFrame, contract: Contract, key: Sequence[str], known: Mask, refusals: Refusals) -> None:
    """Refuse all but the first of identical rows, and all rows of a key that differ.

    Rows that are not ``known`` or have no complete key are left out.
    """
    candidates = known.copy()
    for name in key:
        candidates &= rows[name].notna().to_numpy(dtype=bool)
    groups = _number_groups(rows, key)
    repeated = np.flatnonzero(candidates & (np.bincount(groups[candidates], minlength=len(rows))[groups] > 1))
    if not len(repeated):
        return
    repeated = repeated[np.lexsort((rows[POSITION].to_numpy()[repeated], groups[repeated]))]
    own = groups[repeated]
    starts = np.flatnonzero(np.diff(own, prepend=-1))
    first = np.repeat(starts, np.diff(starts, append=len(own)))
    different = ~_equal_rows(rows[list(contract.columns)], repeated, repeated[first])
    conflicting = np.logical_or.reduceat(different, starts)[np.cumsum(np.diff(own, prepend=own[0]) != 0)]
    earlier = np.arange(len(own)) == first
    refusals.add("duplicate of an earlier row", _mask_at(len(rows), repeated[~conflicting & ~earlier]))
    refusals.add("conflicts with another row of the same key", _mask_at(len(rows), repeated[conflicting]))


def describe(check: Any) -> str:
    """What a pandera check asks for, in words; a text given to the check as ``error`` is taken as it is."""
    name = builtin_name(check)
    if check.error is not None and not (name and check.error.startswith(f"{name}(")):
        return str(check.error)
    if name is None:
        return f"must pass {str(check.name).strip('<>').replace('_', ' ')}"
    return _BUILTIN.get(name, lambda _: f"must pass {check.error or name}")(check.statistics)


def _range(statistics: dict[str, Any]) -> str:
    low, high = statistics["min_value"], statistics["max_value"]
    ends = [
        f"{end} is excluded"
        for end, included in ((low, statistics.get("include_min", True)), (high, statistics.get("include_max", True)))
        if not included
    ]
    return f"must be between {low} and {high}" + (f" ({', '.join(ends)})" if ends else "")


def _length(statistics: dict[str, Any]) -> str:
    if statistics.get("exact_value") is not None:
        return f"must be {statistics['exact_value']} characters long"
    low, high = statistics.get("min_value"), statistics.get("max_value")
    bounds = [f"at least {low}"] * (low is not None) + [f"at most {high}"] * (high is not None)
    return f"must be {' and '.join(bounds)} characters long"


def _listed(values: Any) -> str:
    texts = sorted(str(value) for value in values)
    more = f" … ({len(texts)} values)" if len(texts) > MAX_LISTED_VALUES else ""
    return ", ".join(texts[:MAX_LISTED_VALUES]) + more


_BUILTIN = {
    "equal_to": lambda s: f"must be {s['value']}",
    "not_equal_to": lambda s: f"must not be {s['value']}",
    "greater_than": lambda s: f"must be greater than {s['min_value']}",
    "greater_than_or_equal_to": lambda s: f"must be at least {s['min_value']}",
    "less_than": lambda s: f"must be less than {s['max_value']}",
    "less_than_or_equal_to": lambda s: f"must be at most {s['max_value']}",
    "in_range": _range,
    "isin": lambda s: f"must be one of {_listed(s['allowed_values'])}",
    "notin": lambda s: f"must not be one of {_listed(s['forbidden_values'])}",
    "str_matches": lambda s: f"must match {_pattern(s)}",
    "str_contains": lambda s: f"must contain {_pattern(s)}",
    "str_startswith": lambda s: f"must start with {s['string']}",
    "str_endswith": lambda s: f"must end with {s['string']}",
    "str_length": _length,
}


def _pattern(statistics: dict[str, Any]) -> str:
    return str(getattr(statistics["pattern"], "pattern", statistics["pattern"]))


def _failing(check: Any, values: pd.Series | pd.DataFrame) -> Mask:
    """True for every row that ``check`` refuses.  ``values`` must have the index 0, 1, 2, …

    pandera applies the check; its own evaluation of the outcome cannot take a missing one, as a comparison of missing
    values gives, and lists every failing value.  A missing outcome refuses the row.
    """
    backend = check.get_backend(values)(check)
    if (name := builtin_name(check)) is not None:  # a check only learns what it does to pandas when it is called
        backend.check_fn = partial(check.get_builtin_check_fn(name), **backend.check_fn.keywords)
    output = backend.apply(backend.preprocess(values, None))
    if isinstance(output, pd.DataFrame):
        output = output.all(axis="columns")
    if not isinstance(output, pd.Series):
        raise DeclarationError(
            f"the check {check.name!r} does not judge rows",
            expected="a Series of booleans, one a row",
            found=type(output).__name__,
            next_step="return one boolean a row, or move what is true of the batch as a whole into the suite",
        )
    passed = np.ones(len(values), dtype=bool)  # missing values are left out of the output where a check ignores them
    passed[output.index.to_numpy(dtype=np.int64)] = output.astype("boolean").fillna(False).to_numpy(dtype=bool)
    return ~passed


def _number_groups(rows: pd.DataFrame, columns: Sequence[str]) -> npt.NDArray[np.int64]:
    """A number below ``len(rows)`` for every row, the same for rows that are equal in ``columns``."""
    numbers = np.zeros(len(rows), dtype=np.int64)
    for name in columns:
        own, values = pd.factorize(rows[name], use_na_sentinel=False)
        numbers = pd.factorize(numbers * max(len(values), 1) + own)[0] if len(columns) > 1 else own
    return numbers


def _equal_rows(rows: pd.DataFrame, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Mask:
    """Whether the rows at positions ``left`` equal those at ``right``, pair by pair; missing equals missing."""
    equal = np.ones(len(left), dtype=bool)
    for name in rows.columns:
        one, other = rows[name].array.take(left), rows[name].array.take(right)
        missing = np.asarray(one.isna()), np.asarray(other.isna())
        same = np.asarray(pd.array(one == other, dtype="boolean").fillna(False), dtype=bool)
        equal &= np.where(missing[0] | missing[1], missing[0] & missing[1], same)
    return equal


def _may_hold_controls(text: pa.Array | pa.ChunkedArray) -> bool:
    """Whether any byte of all texts can be of a control character: a tenth of what looking at each text takes."""
    for chunk in text.chunks if isinstance(text, pa.ChunkedArray) else [text]:
        content = np.frombuffer(chunk.buffers()[-1] or b"", np.uint8)
        if ((content < 0x20) | (content == 0x7F) | (content == 0xC2)).any():  # those of Latin-1 begin with C2
            return True
    return False


def _mask(values: pa.Array | pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=bool)


def _mask_at(rows: int, positions: npt.NDArray[np.int64]) -> Mask:
    mask = np.zeros(rows, dtype=bool)
    mask[positions] = True
    return mask


def _bounded(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 1] + "…"
