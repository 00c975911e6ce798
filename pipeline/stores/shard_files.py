"""Shard files that are written while their rows are still streaming in, in bounded memory.

Threads encode: Arrow lets others run meanwhile.  The bytes of a file depend on its rows and on how they came alone.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.stores.parquet import open_writer
from pipeline.threads import THREADS

ROWS_PER_GROUP = 65_536
"""Rows that are written at once, unless there are many files."""
ROWS_WAITING = 1 << 20
"""Rows that wait for others of their groups in all files together: what is held does not grow with the files."""


class ShardFiles:
    """One growing Parquet file a label, on the local disk until it is complete.

    Use as a context manager; the files are gone after it.

    Args:
        files: how many there will be.
    """

    def __init__(self, schema: pa.Schema, files: int = 1) -> None:
        self._schema = schema
        self._rows_per_group = min(ROWS_PER_GROUP, max(1, ROWS_WAITING // files))
        self._folder = tempfile.TemporaryDirectory(prefix="nightjar-shards-")
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._pending: dict[str, list[pa.Table]] = {}
        self._rows: dict[str, int] = {}
        self._encoders = ThreadPoolExecutor(THREADS, thread_name_prefix="encode-shards")
        self._encoding: dict[str, Future[None]] = {}
        self._slots = Semaphore(2 * THREADS)  # each has a row group in its hands, and another one waiting

    def __enter__(self) -> ShardFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._encoders.shutdown()
        for writer in self._writers.values():
            writer.close()
        self._folder.cleanup()

    def append(self, label: str, table: pa.Table) -> None:
        """Add rows to the end of the file ``label``."""
        pending = self._pending.setdefault(label, [])
        pending.append(table if table.schema.equals(self._schema) else table.cast(self._schema))
        self._rows[label] = self._rows.get(label, 0) + table.num_rows
        if sum(part.num_rows for part in pending) >= self._rows_per_group:
            self._flush(label)

    def finish(self, label: str) -> tuple[bytes, int]:
        """The complete file ``label`` and its number of rows; a label that got no rows gives an empty table."""
        self._flush(label)
        self._encoding.pop(label).result()
        self._writers.pop(label).close()
        return self._path(label).read_bytes(), self._rows.get(label, 0)

    def _flush(self, label: str) -> None:
        """Have a row group written, after the one before it."""
        if (before := self._encoding.pop(label, None)) is not None:
            before.result()
        self._slots.acquire()
        self._encoding[label] = self._encoders.submit(self._encode, label, self._pending.pop(label, []))

    def _encode(self, label: str, tables: list[pa.Table]) -> None:
        try:
            rows = pa.concat_tables([self._schema.empty_table(), *tables])
            if label not in self._writers:
                self._writers[label] = open_writer(self._path(label), self._schema, rows)
            if tables:
                self._writers[label].write_table(rows, row_group_size=ROWS_PER_GROUP)
        finally:
            self._slots.release()

    def _path(self, label: str) -> Path:
        return Path(self._folder.name) / label
