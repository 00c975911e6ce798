"""From tables to RESP."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadInputError
from pipeline.keyspace import bucket_of, crc32_of
from pipeline.stores.predictions import encoding
from pipeline.stores.predictions.encoding import Rows, encode
from pipeline.stores.predictions.wire import read_replies

ENTITY_IDS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=16)


def decode(rows: Rows, buckets: int) -> dict[int, dict[str, object]]:
    """Take the bodies apart again, with another parser."""
    decoded: dict[int, dict[str, object]] = {}
    for chunk in encode(rows, buckets, None):
        for bucket, count, body in chunk.bodies():
            entries = [entry.decode() for entry in read_replies(body)]
            assert len(entries) == 2 * count
            assert bucket not in decoded
            decoded[bucket] = {name: json.loads(text) for name, text in zip(entries[::2], entries[1::2], strict=True)}
    return decoded


@given(st.dictionaries(ENTITY_IDS, st.floats(0, 1), max_size=60), st.integers(1, 9))
def test_every_entry_is_in_its_bucket_whole(predictions: dict[str, float], buckets: int) -> None:
    table = pa.table(
        {"id": pa.array(predictions.keys(), pa.string()), "score": pa.array(predictions.values(), pa.float64())}
    )
    expected: dict[int, dict[str, object]] = {}
    for entity_id, value in predictions.items():
        expected.setdefault(bucket_of(entity_id, buckets), {})[entity_id] = value
    assert decode(Rows.from_table(table), buckets) == expected


@given(st.lists(ENTITY_IDS, min_size=1, max_size=60))
def test_checksums_are_those_of_zlib(ids: list[str]) -> None:
    rows = Rows.from_table(pa.table({"id": ids, "score": [0.5] * len(ids)}))
    assert rows.checksums.tolist() == [crc32_of(entity_id) for entity_id in ids]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_tables_in_pieces_and_slices_are_encoded_like_whole_ones(kind: pa.DataType) -> None:
    ids = [f"ü {number}" for number in range(300)]
    whole = pa.table({"id": pa.array(ids, kind), "score": [number / 8 for number in range(300)]})
    pieces = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 200), whole.slice(207)])
    longer = pa.concat_tables([whole.slice(5, 9), whole]).slice(9)
    expected = decode(Rows.from_table(whole), 5)
    assert decode(Rows.from_table(pieces), 5) == expected
    assert decode(Rows.from_table(longer), 5) == expected


def test_more_buckets_than_a_chunk_or_16_bits_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "BUCKETS_PER_CHUNK", 7)
    predictions = {f"parcel {number}": number for number in range(3000)}
    rows = Rows.from_table(pa.table({"id": list(predictions), "score": list(predictions.values())}))
    for buckets in (50, 100_003):
        decoded = decode(rows, buckets)
        assert {name: value for entries in decoded.values() for name, value in entries.items()} == predictions


def test_an_id_cannot_smuggle_a_command() -> None:
    hostile = "x$6\\r\\nFLUSHALL '\" *1"
    rows = Rows.from_table(pa.table({"id": [hostile], "score": [0.5]}))
    assert decode(rows, 1) == {0: {hostile: 0.5}}


def test_ids_that_are_not_utf8_are_refused() -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xc3\x28")])
    with pytest.raises(BadInputError, match="entity ids"):
        Rows.from_table(pa.table({"id": broken, "score": [0.5]}))


def test_lists_count_their_parts() -> None:
    assert Rows.from_table(pa.table({"id": ["a"], "score": [0.5]})).width == 1
    assert Rows.from_table(pa.table({"id": ["a"], "score": [[0.5, 0.25]]})).width == 2
    assert Rows.from_table(pa.table({"id": ["a"], "x": [0.5], "y": [1], "z": ["s"]})).width == 3
