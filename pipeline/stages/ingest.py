"""Ingest: from upstream's tables to the columns of the contract, in shards.

Only the contract's columns are taken, and a column is cast only where every value survives the way back and the
source's policy allows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts import POSITION
from pipeline.job import SchemaPolicy
from pipeline.sharding import shards_of
from pipeline.stages.schema_changes import (
    LOSSY,
    Difference,
    are_of_one_kind,
    compare_schemas,
    describe_differences,
    plain_type,
)


class SchemaMismatch(Exception):  # noqa: N818 - caught and told as an error by the task, which knows the names
    """The delivered columns cannot be read as the contract's."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        super().__init__(describe_differences(differences))
        self.differences = tuple(differences)


def check_columns(found: pa.Schema, expected: pa.Schema, policy: SchemaPolicy) -> list[Difference]:
    """The differences between a file's columns and the contract's that the policy lets pass.

    Raises:
        SchemaMismatch: a column is missing or not of a type that may be cast, or a new one is refused; with every
            difference.
    """
    differences = compare_schemas(found, expected, policy)
    if any(difference.is_refused for difference in differences):
        raise SchemaMismatch(differences)
    return differences


def cast_columns(table: pa.Table, expected: pa.Schema) -> pa.Table:
    """The expected columns of ``table``, in order, cast without loss.

    Raises:
        SchemaMismatch: values do not survive the cast; with every such column.
    """
    columns, lossy = [], []
    for field in expected:
        cast = _cast_without_loss(table[field.name], field.type)
        if cast is None:
            found = str(table[field.name].type)
            lossy.append(Difference(field.name, str(field.type), found, LOSSY, is_refused=True))
        columns.append(cast)
    if lossy:
        raise SchemaMismatch(lossy)
    return pa.table(columns, schema=expected)


def number_rows(table: pa.Table, first: int) -> pa.Table:
    """``table`` with the position of every row in its delivery as the column ``_row`` (int64)."""
    return table.append_column(POSITION, pa.array(np.arange(first, first + table.num_rows, dtype="int64")))


def split_shards(table: pa.Table, key: Sequence[str], shards: int) -> list[tuple[int, pa.Table]]:
    """The rows of every shard that has any, in the order they came."""
    if shards == 1:
        return [(0, table)]
    owner = shards_of(table, key, shards).astype(np.min_scalar_type(shards))  # short numbers are sorted by counting
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(shards + 1))
    sorted_rows = table.take(pa.array(order))
    return [
        (shard, sorted_rows.slice(start, end - start))
        for shard, (start, end) in enumerate(pairwise(bounds))
        if end > start
    ]


def _cast_without_loss(column: pa.ChunkedArray, expected: pa.DataType) -> pa.ChunkedArray | None:
    """``column`` as ``expected``; None if a value would not be the same."""
    found = plain_type(column.type)
    try:
        plain = column.cast(found)
        cast = plain.cast(expected, safe=True)
        if _may_change(found, expected) and not _survives(plain, cast):
            return None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return cast


def _may_change(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a cast that Arrow calls safe may still change values: to floats, and from one kind to another."""
    if found == expected or pa.types.is_null(found):
        return False
    return bool(pa.types.is_floating(expected) or not are_of_one_kind(found, expected))


def _survives(column: pa.ChunkedArray, cast: pa.ChunkedArray) -> bool:
    """Whether casting back gives the same values; NaN is equal to itself here."""
    back = cast.cast(column.type, safe=False)
    same = pc.equal(back, column)
    if pa.types.is_floating(column.type):
        same = pc.or_(same, pc.and_(pc.is_nan(back), pc.is_nan(column)))
    return bool(pc.all(same, skip_nulls=True).as_py() in (True, None))
