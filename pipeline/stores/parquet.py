"""Parquet as Nightjar writes it: bytes that depend on the table's content and the library's version alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSION = "lz4"
ROWS_AT_ONCE = 65_536


def encode_parquet(table: pa.Table) -> bytes:
    """``table`` as one Parquet file, without the metadata that pandas leaves in the schema."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), sink, compression=COMPRESSION, write_page_checksum=True)
    return bytes(sink.getvalue())


def encode_groups(tables: Sequence[pa.Table]) -> bytes:
    """Tables of one schema as one Parquet file: a row group each, also of those without rows."""
    sink = pa.BufferOutputStream()
    schema = tables[0].schema.remove_metadata()
    with pq.ParquetWriter(sink, schema, compression=COMPRESSION, write_page_checksum=True) as writer:
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
    with pq.ParquetWriter(sink, schema, compression=COMPRESSION, write_page_checksum=True) as writer:
        for batch in source.iter_batches(ROWS_AT_ONCE):
            changed = change(pa.Table.from_batches([batch]).replace_schema_metadata(None))
            writer.write_table(changed, row_group_size=ROWS_AT_ONCE)
            rows += changed.num_rows
    return bytes(sink.getvalue()), rows


def decode_parquet(content: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a Parquet file's bytes, or the named columns of it.

    Raises:
        OSError: the bytes of a page are not those that were written.
    """
    return pq.read_table(pa.BufferReader(content), columns=columns, page_checksum_verification=True)
