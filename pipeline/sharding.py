"""Which shard a row belongs to, for many rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_POLYNOMIAL = 0xEDB88320
_KEY_SEPARATOR = "\x1f"


def _make_table() -> np.ndarray:
    """The 256 remainders of the CRC-32 of zlib (ISO 3309, reflected)."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _make_table()


def crc32_of(strings: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """CRC-32 of zlib over the UTF-8 bytes of every string; uint32, 0 for a null or an empty one.

    One NumPy step a byte position, over all strings together.
    """
    array = pc.fill_null(strings, "").cast(pa.large_binary())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    starts, lengths = offsets[:-1], np.diff(offsets)
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    state = np.full(len(array), 0xFFFFFFFF, dtype=np.uint32)
    shortest, longest = (int(lengths.min()), int(lengths.max())) if len(array) else (0, 0)
    for position in range(shortest):
        state = _TABLE[(state ^ data[starts + position]) & 0xFF] ^ (state >> 8)
    for position in range(shortest, longest):
        rows = np.flatnonzero(lengths > position)
        part = state[rows]
        state[rows] = _TABLE[(part ^ data[starts[rows] + position]) & 0xFF] ^ (part >> 8)
    return state ^ np.uint32(0xFFFFFFFF)


def key_text(table: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    """The key columns of every row as one string; numbers in decimal, nulls as nothing."""
    columns = [pc.fill_null(pc.cast(table[name], pa.string()), "") for name in key]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _KEY_SEPARATOR)


def shards_of(table: pa.Table, key: Sequence[str], shards: int) -> np.ndarray:
    """Shard of every row: ``crc32(key) mod shards``; uint32."""
    return crc32_of(key_text(table, key)) % np.uint32(shards)
