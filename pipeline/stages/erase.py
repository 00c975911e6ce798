"""Erase: which rows are those of an entity, and a table without them."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
"""Arrow cannot filter views yet."""


def find_rows(table: pa.Table, columns: Collection[str], entity_id: str) -> pa.ChunkedArray:
    """Whether a row is one of the entity (bool, never null): whether it has its id in one of ``columns``.

    Columns that the table does not have are passed over.
    """
    found = pa.chunked_array([pa.array([False] * table.num_rows, pa.bool_())])
    for name in columns:
        if name in table.column_names:
            found = pc.or_(found, _is_entity(table[name], entity_id))
    return found


def drop_rows(table: pa.Table, columns: Collection[str], entity_id: str) -> pa.Table:
    """``table`` without the rows of the entity, in the order they came; views become plain strings."""
    plain = pa.schema([field.with_type(_VIEWS.get(field.type, field.type)) for field in table.schema])
    return table.cast(plain).filter(pc.invert(find_rows(table, columns, entity_id)))


def _is_entity(column: pa.ChunkedArray, entity_id: str) -> pa.ChunkedArray:
    """Numbers that are delivered as fractions or decimals count as the whole numbers that they are."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        same = pc.equal(column.cast(pa.large_binary()), pa.scalar(entity_id.encode(), pa.large_binary()))
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        whole = float(entity_id) if entity_id.isdecimal() else None
        same = pc.equal(column.cast(pa.float64()), pa.scalar(whole, pa.float64()))
    else:
        same = pc.equal(column.cast(pa.large_string()), pa.scalar(entity_id, pa.large_string()))
    return pc.fill_null(same, False)
