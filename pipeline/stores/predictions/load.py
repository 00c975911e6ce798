"""One load: a generation that nobody reads yet, sent, read back and sealed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import keyspace
from pipeline.errors import BadInputError, NightjarError, RefusedError
from pipeline.keyspace import Header, State, token_of
from pipeline.stores.predictions import encoding
from pipeline.stores.predictions.encoding import Chunk, Rows
from pipeline.stores.predictions.refusals import explain_refusal, explained
from pipeline.stores.predictions.registry import Record, Registry
from pipeline.stores.predictions.transfer import Sent, read_chunk, send_chunk
from pipeline.stores.predictions.wire import ReplyError, Wire

_CHUNKS_UNDER_WAY = 3
_SAMPLED_BUCKETS = 128
# Unknown: Redis lost its control keys, and with them the way to the data.
_GIVEN_UP = frozenset({State.REJECTED.value, "unknown"})


class UnevenIdsError(RefusedError):
    """The checksums of the entity ids leave a bucket empty; begin the load with ``gather=True``."""


class Load:
    """A generation being loaded.  Call :meth:`send` for every shard, then :meth:`read_back`, then :meth:`seal`.

    Sending runs beside encoding, so an error may show at the next call.  After any error the load is abandoned: begin
    another one.  As a context manager it is abandoned unless it was sealed.

    Attributes:
        generation: its name.
        token: its fencing token.
        rows: entities that it must end up with.
        sent_rows: entities sent so far.
        buckets: how many hashes they are spread over; None until :meth:`read_back` where they are few.
        columns: parts of a prediction; 0 before the first send.
        bytes_per_prediction: what Redis needs for one, keys included; measured by :meth:`read_back`.
    """

    def __init__(self, registry: Registry, generation: str, record: Record, decimals: int | None) -> None:
        self._registry = registry
        self._record = record
        self._decimals = decimals
        self.generation = generation
        self.token = token_of(generation) or 0
        self.partition = record.partition
        self.rows = record.rows
        self.buckets = record.buckets
        self.sent_rows = 0
        self.columns = 0
        self.bytes_per_prediction: float | None = None
        self._gathered: list[Rows] = []
        self._sent: list[Sent] = []
        self._filled = np.zeros(record.buckets or 0, dtype=bool)
        self._read_rows: int | None = None
        self._sealed = False
        self._under_way: deque[Future[Sent]] = deque()
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._wire: Wire | None = None

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sealed:
            self._close()
        elif error is None:
            self.abandon()
        else:
            self._abandon_after(error)

    def send(self, table: pa.Table) -> None:
        """Send the rows of one shard, all of them in one table.

        Args:
            table: entity ids (string or integer), then one column of predictions (number, boolean, string or list), or
                several, which become a JSON array.

        Raises:
            BadInputError: an id or a prediction cannot be published, or an id occurs twice.
            UnavailableError: Redis took no more.
            RefusedError: the user may not write here.
        """
        self._guard(lambda: self._send(Rows.from_table(table)))

    def read_back(self) -> int:
        """Read every bucket and compare all of it with what was sent; returns the number of entities.

        Raises:
            DamagedError: Redis holds something else.
            UnevenIdsError: its ids leave a bucket empty, which a load that gathers them avoids.
            RefusedError: the load is not complete.
            BadInputError, UnavailableError: as for :meth:`send`.
        """
        rows: int = self._guard(self._read_back)
        return rows

    def make_header(
        self,
        *,
        cutoff: datetime,
        model_version: str,
        feature_set: str,
        columns: tuple[str, ...],
        max_age_seconds: int | None,
        manifest: str,
    ) -> Header:
        """The header of what was read back, published now."""
        return Header(
            job=self._registry.job,
            generation=self.generation,
            partition=self.partition,
            cutoff=cutoff,
            model_version=model_version,
            feature_set=feature_set,
            rows=self._read_rows or 0,
            buckets=self.buckets or 0,
            columns=columns,
            published_at=self._registry.clock(),
            max_age_seconds=max_age_seconds,
            manifest=manifest,
        )

    def seal(self, header: Header) -> None:
        """Write the header and call the generation verified; from then on it can be made live.

        Raises:
            RefusedError: the load was not read back, the header tells something else, or somebody rejected the load.
        """
        self._guard(lambda: self._seal(header))

    def abandon(self) -> None:
        """Reject the generation and unlink what was sent; harmless when repeated.

        Raises:
            RefusedError: the generation was sealed, perhaps by a command whose reply was lost; it is left as it is.
            UnavailableError: Redis does not answer; a later load or `prune` removes the rest.
        """
        if not self._sealed:
            self._give_up()
        if self._sealed:
            raise self._refuse("a sealed generation is not abandoned", "a load that is not sealed", "prune it")

    def _give_up(self) -> None:
        """Reject the load and remove its data, unless Redis says that it was sealed."""
        self._close()
        state = self._registry.reject(self.generation, self.partition, [State.LOADING])
        self._sealed = state not in _GIVEN_UP
        if not self._sealed:
            self._registry.remove_data(self.generation, self.buckets or 0)

    def _send(self, rows: Rows) -> None:
        if not len(rows.ids):
            return
        if self.columns not in {0, rows.width}:
            raise self._bad("shards differ in the parts of a prediction", f"{self.columns}", f"{rows.width}")
        self.columns = rows.width
        self.sent_rows += len(rows.ids)
        if self.sent_rows > self.rows:
            raise self._bad("more rows were sent than announced", f"{self.rows}", f"{self.sent_rows} or more")
        if self.buckets is None:
            self._gathered.append(rows)
        else:
            self._encode(rows, self.buckets)

    def _encode(self, rows: Rows, buckets: int) -> None:
        for chunk in encoding.encode(rows, buckets, self._decimals):
            if self._filled[chunk.buckets].any():
                raise self._bad(
                    "rows of one bucket came in two tables", "each shard's rows in one table", "a shard in pieces"
                )
            self._filled[chunk.buckets] = True
            while len(self._under_way) >= _CHUNKS_UNDER_WAY:
                self._sent.append(self._under_way.popleft().result())
            self._under_way.append(self._sender.submit(self._send_chunk, chunk))

    def _send_chunk(self, chunk: Chunk) -> Sent:
        return send_chunk(self._connect(), self._registry.job, self.generation, chunk)

    def _connect(self) -> Wire:
        self._wire = self._wire or Wire(self._registry.client)
        return self._wire

    def _send_gathered(self) -> None:
        """Few rows: with all ids at hand, choose as many buckets as leave none empty."""
        rows = encoding.concatenate(self._gathered)
        self._gathered = []
        self.buckets = keyspace.choose_buckets_for(rows.checksums.tolist())
        self._filled = np.zeros(self.buckets, dtype=bool)
        self._registry.update_record(self.generation, replace(self._record, buckets=self.buckets))
        self._encode(rows, self.buckets)

    def _read_back(self) -> int:
        if self.sent_rows != self.rows:
            raise self._refuse(
                "the load is not complete", f"{self.rows} rows", f"send the rest ({self.sent_rows} came)"
            )
        if self._gathered:
            self._send_gathered()
        while self._under_way:
            self._sent.append(self._under_way.popleft().result())
        if not self._filled.all():
            empty = int(np.count_nonzero(~self._filled))
            problem = f"{empty} of {self.buckets} buckets would be empty"
            raise self._refuse(problem, "entries in each", "begin the load with gather=True", UnevenIdsError)
        wire = self._connect()
        rows = sum(read_chunk(wire, self._registry.job, self.generation, sent) for sent in self._sent)
        self.bytes_per_prediction = self._measure_memory()
        self._read_rows = rows
        return rows

    def _measure_memory(self) -> float:
        """Mean over a sample of buckets, spread evenly."""
        counts = {bucket: count for sent in self._sent for bucket, count in sent.counts.items()}
        sample = sorted(counts)[:: max(1, len(counts) // _SAMPLED_BUCKETS)]
        with self._registry.client.pipeline(transaction=False) as pipeline:
            for bucket in sample:
                pipeline.memory_usage(keyspace.bucket_key(self._registry.job, self.generation, bucket), samples=0)
            sizes = pipeline.execute()
        return float(sum(sizes) / sum(counts[bucket] for bucket in sample))

    def _seal(self, header: Header) -> None:
        due = (self._registry.job, self.generation, self.partition, self._read_rows, self.buckets, self.columns)
        told = (header.job, header.generation, header.partition, header.rows, header.buckets, len(header.columns))
        if due != told:
            raise self._refuse("the header does not tell what was read back", f"{due}", f"correct the header: {told}")
        state = self._registry.seal(header)
        if state != State.VERIFIED:
            raise self._refuse(f"the load was given up by somebody else ({state})", "loading", "publish again")
        self._sealed = True
        self._close()

    def _guard(self, step: Callable[[], Any]) -> Any:
        """Do a step; abandon the load if it fails."""
        try:
            with explained(self._registry.client, self._registry.job, self.partition):
                return step()
        except ReplyError as error:
            text = str(error)
            refusal = explain_refusal(self._registry.client, text, job=self._registry.job, partition=self.partition)
            self._abandon_after(refusal)
            raise refusal from error
        except Exception as error:
            self._abandon_after(error)
            raise

    def _abandon_after(self, error: BaseException) -> None:
        """Give up because of ``error``, which stays the one that is raised."""
        if self._sealed:
            return
        try:
            self._give_up()
        except NightjarError as second:
            error.add_note(f"{self.generation} could not be cleaned up, a later load or prune will: {second}")
        if self._sealed:
            error.add_note(f"{self.generation} was sealed, only the reply was lost: it is whole and was left as it is")

    def _close(self) -> None:
        self._sender.shutdown(wait=True, cancel_futures=True)
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _bad(self, problem: str, expected: str, found: str) -> BadInputError:
        return BadInputError(
            problem,
            job=self._registry.job,
            partition=self.partition,
            expected=expected,
            found=found,
            next_step="score the partition again, then publish",
        )

    def _refuse(
        self, problem: str, expected: str, next_step: str, kind: type[RefusedError] = RefusedError
    ) -> RefusedError:
        return kind(
            f"{problem}: generation {self.generation}",
            job=self._registry.job,
            partition=self.partition,
            expected=expected,
            next_step=next_step,
        )
