"""From Arrow tables to the very bytes of ``HSET`` commands, without a step in Python per row.

A bucket's *body* is the RESP of its entity ids and predictions, one after the other.  ``HSET`` sends it behind a short
prefix; over RESP2, ``HGETALL`` of a bucket that Redis keeps in order sends the same bytes back behind another one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import BadInputError
from pipeline.keyspace import MAX_ENTITY_ID_BYTES, MAX_PREDICTION_BYTES
from pipeline.sharding import crc32_of
from pipeline.stores.predictions.json_text import write_predictions

BUCKETS_PER_CHUNK = 1024
_ROWS_AT_ONCE = 1 << 16  # so that the arrays of one step stay in the processor's cache

_ID_PREFIXES = pa.array([f"${size}\r\n" for size in range(MAX_ENTITY_ID_BYTES + 1)])
_PREDICTION_PREFIXES = pa.array([f"\r\n${size}\r\n" for size in range(MAX_PREDICTION_BYTES + 1)])


@dataclass(frozen=True)
class Chunk:
    """The bodies of some buckets, end to end.

    Attributes:
        buckets: bucket numbers, ascending.
        counts: entries of each.
        ends: where each body ends in ``body``, in bytes.
    """

    buckets: list[int]
    counts: list[int]
    ends: list[int]
    body: memoryview

    def bodies(self) -> Iterator[tuple[int, int, memoryview]]:
        """Bucket, entries and body of each."""
        start = 0
        for bucket, count, end in zip(self.buckets, self.counts, self.ends, strict=True):
            yield bucket, count, self.body[start:end]
            start = end

    @classmethod
    def of_bodies(cls, bodies: Sequence[tuple[int, int, memoryview]]) -> Chunk:
        """The inverse of :meth:`bodies`; the bodies are copied."""
        buckets, counts, parts = zip(*bodies, strict=True)
        ends = list(itertools.accumulate(len(part) for part in parts))
        return cls(list(buckets), list(counts), ends, memoryview(b"".join(parts)))


@dataclass(frozen=True)
class Rows:
    """Checked entity ids with their checksums, and predictions; all of one length."""

    ids: pa.StringArray
    checksums: np.ndarray
    columns: tuple[pa.Array, ...]

    @classmethod
    def from_table(cls, table: pa.Table) -> Rows:
        """Take the first column as entity ids and the others as predictions.

        Raises:
            BadInputError: an id is null, empty, longer than 64 bytes, not UTF-8, or holds a control character.
        """
        ids = _check_ids(_combine(table.column(0)))
        columns = tuple(_combine(column) for column in table.columns[1:])
        pieces = [crc32_of(ids.slice(start, _ROWS_AT_ONCE)) for start in range(0, len(ids), _ROWS_AT_ONCE)]
        return cls(ids, np.concatenate(pieces) if pieces else np.empty(0, np.uint32), columns)

    @property
    def width(self) -> int:
        """Parts of a prediction."""
        if len(self.columns) == 1 and _is_list(self.columns[0].type) and len(self.ids):
            return int(pc.max(pc.list_value_length(self.columns[0])).as_py() or 0)
        return len(self.columns)


def encode(rows: Rows, buckets: int, decimals: int | None) -> Iterator[Chunk]:
    """Encode ``rows``, bucket by bucket, in chunks of bounded size; every bucket is in one chunk, whole.

    Raises:
        BadInputError: see :func:`write_predictions`.
    """
    if not len(rows.ids):
        return
    numbers = rows.checksums % np.uint32(buckets)
    order = _sort(numbers)
    sorted_numbers = numbers[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_numbers[1:] != sorted_numbers[:-1])))
    limits = np.append(starts, len(order))
    for first in range(0, len(starts), BUCKETS_PER_CHUNK):
        borders = limits[first : first + BUCKETS_PER_CHUNK + 1]
        taken = pa.array(order[borders[0] : borders[-1]])
        columns = [column.take(taken) for column in rows.columns]
        entries = _frame(rows.ids.take(taken), write_predictions(columns, decimals))
        ends = _offsets(entries)[borders - borders[0]]
        yield Chunk(
            buckets=sorted_numbers[borders[:-1]].tolist(),
            counts=np.diff(borders).tolist(),
            ends=(ends[1:] - ends[0]).tolist(),
            body=memoryview(entries.buffers()[2])[ends[0] : ends[-1]],
        )


def concatenate(parts: Sequence[Rows]) -> Rows:
    """All rows of ``parts``."""
    columns = zip(*(part.columns for part in parts), strict=True)
    return Rows(
        ids=pa.concat_arrays([part.ids for part in parts]),
        checksums=np.concatenate([part.checksums for part in parts]),
        columns=tuple(pa.concat_arrays(list(column)) for column in columns),
    )


def _frame(ids: pa.StringArray, predictions: pa.StringArray) -> pa.LargeBinaryArray:
    """Each row as two RESP bulk strings."""
    before_id = _ID_PREFIXES.take(pc.binary_length(ids))
    before_prediction = _PREDICTION_PREFIXES.take(pc.binary_length(predictions))
    return pc.binary_join_element_wise(before_id, ids, before_prediction, predictions, "\r\n", "")


def _sort(numbers: np.ndarray) -> np.ndarray:
    """Stable order of bucket numbers; 16-bit ones, of which a shard mostly has no more, sort ten times as fast."""
    distinct, inverse = np.unique(numbers, return_inverse=True) if numbers.max() >= 1 << 16 else (None, numbers)
    small = distinct is None or len(distinct) <= 1 << 16
    return np.argsort(inverse.astype(np.uint16) if small else inverse, kind="stable")


def _combine(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _offsets(strings: pa.StringArray) -> np.ndarray:
    return np.frombuffer(strings.buffers()[1], np.int32)[strings.offset : strings.offset + len(strings) + 1]


def _check_ids(ids: pa.Array) -> pa.StringArray:
    if ids.null_count:
        raise _bad_ids(f"{ids.null_count} nulls")
    try:
        ids = pc.cast(ids, pa.string())
        ids.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _bad_ids("some that are no UTF-8") from error
    if not len(ids):
        return ids
    offsets = _offsets(ids)
    lengths = np.diff(offsets)
    if lengths.min() < 1:
        raise _bad_ids(f"{int(np.count_nonzero(lengths < 1))} empty ones")
    if lengths.max() > MAX_ENTITY_ID_BYTES:
        raise _bad_ids(
            f"{int(np.count_nonzero(lengths > MAX_ENTITY_ID_BYTES))} longer ones, up to {lengths.max()} bytes"
        )
    _check_characters(np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]])
    return ids


def _check_characters(text: np.ndarray) -> None:
    """Refuse C0 and DEL, which are single bytes in UTF-8, and C1, which is 0xC2 with 0x80 to 0x9F."""
    control = np.count_nonzero((text < 0x20) | (text == 0x7F))
    if text.max() >= 0x80:
        control += np.count_nonzero((text[:-1] == 0xC2) & (text[1:] >= 0x80) & (text[1:] < 0xA0))
    if control:
        raise _bad_ids(f"{int(control)} control characters")


def _bad_ids(found: str) -> BadInputError:
    return BadInputError(
        "entity ids cannot be published",
        expected=f"1 to {MAX_ENTITY_ID_BYTES} bytes of UTF-8 without control characters",
        found=found,
        next_step="let the population's contract quarantine them",
    )
