"""Parquet as Nightjar writes it: bytes that depend on the table's content and the library's version alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSION = "lz4"
ROWS_AT_ONCE = 65_536
ROWS_LOOKED_AT = 1024
BYTES_OF_REPEATED = 4
"""Fewer bytes a value than this has text of which a file holds each value once, and its number for every row."""


def open_writer(sink: Any, schema: pa.Schema, first: pa.Table) -> pq.ParquetWriter:
    """A writer to a file of ``schema`` without the metadata that pandas leaves there.

    Only text is looked through for values that come again, and only where they do in the first rows: of numbers and ids
    that costs as much as all the rest of writing.  The bytes of numbers are written place by place (Parquet's
    ``BYTE_STREAM_SPLIT``), so that those that are alike are neighbours: that compresses better, and faster.  There are
    no statistics: a shard has rows from all over, so its extremes rule nothing out.

    Args:
        first: rows that are written first; may be empty.
    """
    schema = schema.remove_metadata()
    texts = [name for field in schema for name in _list_text(field) if _may_repeat(first[field.name])]
    numbers = [field.name for field in schema if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]
    return pq.ParquetWriter(
        sink,
        schema,
        compression=COMPRESSION,
        use_dictionary=texts or False,
        use_byte_stream_split=numbers or False,
        write_statistics=False,
        write_page_checksum=True,
    )


def encode_parquet(table: pa.Table) -> bytes:
    """``table`` as one Parquet file."""
    return encode_groups([table])


def encode_groups(tables: Sequence[pa.Table]) -> bytes:
    """Tables of one schema as one Parquet file: a row group each, also of those without rows."""
    sink = pa.BufferOutputStream()
    first = next((table for table in tables if table.num_rows), tables[0])
    with open_writer(sink, tables[0].schema, first) as writer:
        for table in tables:
            writer.write_table(table.replace_schema_metadata(None))
    return bytes(sink.getvalue())


def rewrite_parquet(content: bytes, change: Callable[[pa.Table], pa.Table]) -> tuple[bytes, int]:
    """A Parquet file whose rows went through ``change``, some at a time; and how many are left.

    Raises:
        OSError, pa.ArrowException: it is no whole Parquet file.
    """
    sink, rows = pa.BufferOutputStream(), 0
    source = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    schema = change(source.schema_arrow.remove_metadata().empty_table()).schema
    tables = (
        change(pa.Table.from_batches([batch]).replace_schema_metadata(None))
        for batch in source.iter_batches(ROWS_AT_ONCE)
    )
    first = next(tables, schema.empty_table())
    with open_writer(sink, schema, first) as writer:
        for changed in chain([first], tables):
            writer.write_table(changed, row_group_size=ROWS_AT_ONCE)
            rows += changed.num_rows
    return bytes(sink.getvalue()), rows


def decode_parquet(content: bytes, columns: list[str] | None = None, *, is_checked: bool = False) -> pa.Table:
    """The table in a Parquet file's bytes, or the named columns of it, in that order.

    Text that comes again and again is read as numbers of a dictionary and written out afterwards: that takes half the
    time.  Shards are read beside one another by processes, so none is read by several threads.

    Args:
        is_checked: whether the whole of ``content`` was held against a digest; then pages are not checked again.

    Raises:
        OSError: the bytes of a page are not those that were written.
        KeyError: there is no such column.
    """
    source = pa.BufferReader(content)
    metadata = pq.read_metadata(source)
    repeated = _list_repeated(metadata)
    file = pq.ParquetFile(
        source,
        metadata=metadata,
        read_dictionary=repeated,
        page_checksum_verification=not is_checked,
        pre_buffer=False,
    )
    table = file.read(columns, use_threads=False)
    schema = metadata.schema.to_arrow_schema()
    for position, name in enumerate(table.column_names):
        if name in repeated:
            table = table.set_column(position, schema.field(name), table[position].cast(schema.field(name).type))
    return table if columns is None else table.select(columns)


def _may_repeat(column: pa.ChunkedArray) -> bool:
    """Whether some of the first values come again; of few values, and of lists, that is not known."""
    values = column.slice(0, ROWS_LOOKED_AT)
    return len(values) < ROWS_LOOKED_AT or pa.types.is_nested(values.type) or len(values.unique()) < len(values)


def _list_repeated(metadata: pq.FileMetaData) -> list[str]:
    """The text columns whose values take so few bytes that they must be numbers of a small dictionary."""
    sizes: dict[str, int] = {}
    for group in range(metadata.num_row_groups):
        for position in range(metadata.num_columns):
            column = metadata.row_group(group).column(position)
            if column.physical_type == "BYTE_ARRAY":
                sizes[column.path_in_schema] = sizes.get(column.path_in_schema, 0) + column.total_uncompressed_size
    return [name for name, size in sizes.items() if size < BYTES_OF_REPEATED * metadata.num_rows and "." not in name]


def _list_text(field: pa.Field) -> list[str]:
    """The paths of a field's text columns in a file: its own, or that of the elements of a list."""
    if pa.types.is_list(field.type):
        return [f"{field.name}.list.{name}" for name in _list_text(field.type.value_field.with_name("element"))]
    return [field.name] if pa.types.is_string(field.type) or pa.types.is_large_string(field.type) else []
