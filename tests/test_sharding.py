"""Shards: the CRC-32 of zlib, over many rows at once."""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline import keyspace
from pipeline.sharding import crc32_of, key_text, shards_of

TEXTS = st.lists(st.text(max_size=80), max_size=40)


@given(TEXTS)
def test_checksums_are_those_of_zlib(texts: list[str]) -> None:
    expected = [zlib.crc32(text.encode()) for text in texts]
    assert crc32_of(pa.array(texts, pa.string())).tolist() == expected


@given(TEXTS, st.integers(0, 40), st.integers(1, 5))
def test_slices_and_chunks_change_nothing(texts: list[str], start: int, pieces: int) -> None:
    array = pa.array(texts, pa.large_string()).slice(min(start, len(texts)))
    expected = [zlib.crc32(text.encode()) for text in texts[start:]]
    assert crc32_of(array).tolist() == expected
    bounds = [len(array) * number // pieces for number in range(pieces + 1)]
    chunks = [array.slice(low, high - low) for low, high in pairwise(bounds)]
    assert crc32_of(pa.chunked_array(chunks, pa.large_string())).tolist() == expected


def test_a_null_counts_as_nothing() -> None:
    assert crc32_of(pa.array(["", None, "a"])).tolist() == [0, 0, zlib.crc32(b"a")]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40), st.integers(1, 9))
def test_numbers_are_sharded_by_their_decimal_digits_as_readers_do(numbers: list[int], shards: int) -> None:
    table = pa.table({"meter": pa.array(numbers, pa.int64())})
    found = shards_of(table, ["meter"], shards)
    assert found.dtype == np.uint32
    assert found.tolist() == [keyspace.shard_of(str(number), shards) for number in numbers]


def test_a_key_of_several_columns_is_one_text() -> None:
    table = pa.table({"origin": ["a", "ab", None], "number": pa.array([12, 2, 3], pa.int64())})
    texts = key_text(table, ["origin", "number"]).to_pylist()
    assert texts == ["a\x1f12", "ab\x1f2", "\x1f3"]
    assert len(set(texts)) == 3
