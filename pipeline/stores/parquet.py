"""Parquet as Nightjar writes it: bytes that depend on the table's content and the library's version alone."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

COMPRESSION = "zstd"


def encode_parquet(table: pa.Table) -> bytes:
    """``table`` as one Parquet file, without the metadata that pandas leaves in the schema."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), sink, compression=COMPRESSION, write_page_checksum=True)
    return bytes(sink.getvalue())


def decode_parquet(content: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a Parquet file's bytes, or the named columns of it.

    Raises:
        OSError: the bytes of a page are not those that were written.
    """
    return pq.read_table(pa.BufferReader(content), columns=columns, page_checksum_verification=True)
