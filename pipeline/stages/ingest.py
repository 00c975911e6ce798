"""Ingest: from upstream's tables to the columns of the contract, in shards.

Only the contract's columns are taken, and a column is cast only where every value survives the way back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts import POSITION
from pipeline.sharding import shards_of


class SchemaMismatch(Exception):  # noqa: N818 - caught and told as a BadInputError by the task, which knows the names
    """The delivered columns cannot be read as the contract's."""

    def __init__(self, expected: Sequence[str], found: Sequence[str]) -> None:
        super().__init__(f"expected {'; '.join(expected)}; found {'; '.join(found)}")
        self.expected = list(expected)
        self.found = list(found)


def check_columns(found: pa.Schema, expected: pa.Schema) -> None:
    """Refuse a file in which a column of the contract is missing or has a type that cannot be read as the contract's.

    Columns that the contract does not name are ignored.

    Raises:
        SchemaMismatch: with one entry a column.
    """
    wanted, seen = [], []
    unknown = sorted(set(found.names) - set(expected.names))
    for field in expected:
        if field.name not in found.names:
            wanted.append(f"column {field.name} ({field.type})")
            seen.append(f"no {field.name}" + (f", but the unknown {', '.join(unknown)}" if unknown else ""))
        elif not _may_cast(found.field(field.name).type, field.type):
            wanted.append(f"column {field.name} ({field.type})")
            seen.append(f"{field.name} ({found.field(field.name).type})")
    if wanted:
        raise SchemaMismatch(wanted, seen)


def cast_columns(table: pa.Table, expected: pa.Schema) -> pa.Table:
    """The expected columns of ``table``, in order, cast without loss.

    Raises:
        SchemaMismatch: a value does not survive the cast.
    """
    columns = []
    for field in expected:
        column = table[field.name]
        try:
            cast = column.cast(field.type, safe=True)
        except pa.ArrowInvalid as error:
            raise SchemaMismatch([f"column {field.name} ({field.type})"], [f"{column.type}: {error}"]) from error
        if _may_round(column.type, field.type) and not _survives(column, cast):
            raise SchemaMismatch(
                [f"column {field.name} ({field.type})"], [f"{column.type} with values that {field.type} cannot hold"]
            )
        columns.append(cast)
    return pa.table(columns, schema=expected)


def number_rows(table: pa.Table, first: int) -> pa.Table:
    """``table`` with the position of every row in its delivery as the column ``_row`` (int64)."""
    return table.append_column(POSITION, pa.array(np.arange(first, first + table.num_rows, dtype="int64")))


def split_shards(table: pa.Table, key: Sequence[str], shards: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows of every shard that has any, in the order they came."""
    if shards == 1:
        yield 0, table
        return
    owner = shards_of(table, key, shards)
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(shards + 1))
    for shard, (start, end) in enumerate(pairwise(bounds)):
        if end > start:
            yield shard, table.take(pa.array(order[start:end]))


def _may_cast(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether the types are of one kind, so that a cast can only lose what :func:`cast_columns` notices."""
    if found == expected or pa.types.is_null(found):
        return True
    if pa.types.is_dictionary(found):
        return _may_cast(found.value_type, expected)
    if pa.types.is_timestamp(found) and pa.types.is_timestamp(expected):
        return (found.tz is None) == (expected.tz is None)
    return any(is_kind(found) and is_kind(expected) for is_kind in (_is_number, _is_text))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _may_round(found: pa.DataType, expected: pa.DataType) -> bool:
    return bool(_is_number(found) and pa.types.is_floating(expected) and found != expected)


def _survives(column: pa.ChunkedArray, cast: pa.ChunkedArray) -> bool:
    """Whether casting back gives the same values; NaN is equal to itself here."""
    back = cast.cast(column.type, safe=False)
    same = pc.equal(back, column)
    if pa.types.is_floating(column.type):
        same = pc.or_(same, pc.and_(pc.is_nan(back), pc.is_nan(column)))
    return bool(pc.all(same, skip_nulls=True).as_py() in (True, None))
