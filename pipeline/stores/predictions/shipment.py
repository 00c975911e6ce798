"""The data of one load on its way: rows are encoded, sent beside the encoding, read back and compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from pipeline import keyspace
from pipeline.errors import BadInputError, RefusedError
from pipeline.stores.predictions import encoding
from pipeline.stores.predictions.encoding import Chunk, Rows
from pipeline.stores.predictions.masters import Masters
from pipeline.stores.predictions.priors import encode_priors
from pipeline.stores.predictions.reasons import encode_reasons
from pipeline.stores.predictions.refusals import UnevenIdsError, refuse_load
from pipeline.stores.predictions.registry import Record, Registry
from pipeline.stores.predictions.small_hashes import read_hash, send_hash
from pipeline.stores.predictions.transfer import Sent, mark_emptied, measure_buckets, read_chunk, send_chunk

_CHUNKS_UNDER_WAY = 3
_SENDERS = 2
"""Threads beside the one that encodes: while Redis works for one, the other digests."""
_SAMPLED_BUCKETS = 128


class Shipment:
    """What a load sends, and remembers of it until it is read back; :meth:`close` it.

    Its errors are those of :class:`pipeline.stores.predictions.Load`, and what Redis or its client raise.

    Args:
        is_again: a generation comes back that Redis lost, whose buckets may have been emptied by erasures since.

    Attributes:
        rows: entities that were sent so far.
        columns: parts of a prediction; 0 before the first row.
        buckets: how many hashes the rows are spread over; None until :meth:`read_back` where they are few.
        priors: predictions by segment, as JSON text.
        reasons: hashes of reasons by entity id, as JSON text.
        bytes_per_prediction: what Redis needs for one prediction, keys included; None until :meth:`read_back`.
    """

    def __init__(
        self, registry: Registry, generation: str, record: Record, decimals: int | None, *, is_again: bool
    ) -> None:
        self._registry = registry
        self._generation = generation
        self._record = record
        self._decimals = decimals
        self._is_again = is_again
        self.rows = 0
        self.columns = 0
        self.buckets = record.buckets
        self.priors: dict[str, str] = {}
        self.reasons: list[dict[str, str]] = []
        self.bytes_per_prediction: float | None = None
        self._prior_columns = 0
        self._gathered: list[Rows] = []
        self._sent: list[Sent] = []
        self._filled = np.zeros(record.buckets or 0, dtype=bool)
        self._under_way: deque[Future[Sent]] = deque()
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="publish")
        self._masters: Masters | None = None

    def close(self) -> None:
        """Send nothing more, and close the connections."""
        self._senders.shutdown(wait=True, cancel_futures=True)
        if self._masters is not None:
            self._masters.close()
            self._masters = None

    def server_of(self, key: str) -> str:
        """Run id of the server that holds ``key``."""
        return self._connect().server_of(key)

    def send(self, rows: Rows) -> None:
        """Send the rows of one shard, or gather them where the buckets are not chosen yet."""
        if not len(rows.ids):
            return
        if self.columns not in {0, rows.width}:
            raise self._bad("shards differ in the parts of a prediction", f"{self.columns}", f"{rows.width}")
        self.columns = rows.width
        self.rows += len(rows.ids)
        if self.rows > self._record.rows:
            raise self._bad("more rows were sent than announced", f"{self._record.rows}", f"{self.rows} or more")
        if self.buckets is None:
            self._gathered.append(rows)
        else:
            self._encode(rows, self.buckets)

    def send_priors(self, priors: Mapping[str, Any]) -> None:
        """Send what holds for entities that are not in the population."""
        self.priors, self._prior_columns = encode_priors(priors, self._decimals)
        self._send_hash(self._prior_key, self.priors)

    def send_reasons(self, reasons: Mapping[str, str], buckets: int | None) -> None:
        """Send the reasons of explained predictions."""
        self.reasons = encode_reasons(reasons, buckets)
        for key, entries in self._list_reasons():
            self._send_hash(key, entries)

    def finish_sending(self) -> None:
        """Wait until all that was sent is in Redis."""
        while self._under_way:
            self._await_chunk()

    def read_back(self) -> int:
        """Compare all that Redis holds, replicas in step, with what was sent; returns the number of entities."""
        if self.rows != self._record.rows:
            raise self._refuse(
                "the load is not complete", f"{self._record.rows} rows", f"send the rest ({self.rows} came)"
            )
        if self._gathered:
            self._send_gathered()
        self.finish_sending()
        self._check_empty_buckets()
        masters = self._connect()
        read = partial(read_chunk, masters, self._registry.job, self._generation)
        rows = sum(self._senders.map(read, self._sent))
        if self.priors:
            self._read_priors(masters)
        for key, entries in self._list_reasons():
            read_hash(masters, self._registry.job, key, entries)
        samples = (self._registry.job, self._generation, self._sent, _SAMPLED_BUCKETS)
        self.bytes_per_prediction = measure_buckets(masters, *samples)
        masters.settle()
        return rows

    def _encode(self, rows: Rows, buckets: int) -> None:
        for chunk in encoding.encode(rows, buckets, self._decimals):
            if self._filled[chunk.buckets].any():
                raise self._bad(
                    "rows of one bucket came in two tables", "each shard's rows in one table", "a shard in pieces"
                )
            self._filled[chunk.buckets] = True
            for node, part in self._connect().split(chunk, self._registry.job, self._generation):
                while len(self._under_way) >= _CHUNKS_UNDER_WAY:
                    self._await_chunk()
                self._under_way.append(self._senders.submit(self._send_chunk, node, part))

    def _await_chunk(self) -> None:
        self._sent.append(self._under_way.popleft().result())

    def _send_chunk(self, node: str, chunk: Chunk) -> Sent:
        return send_chunk(self._connect(), node, self._registry.job, self._generation, chunk)

    def _send_gathered(self) -> None:
        """Few rows: with all ids at hand, choose as many buckets as leave none empty."""
        rows = encoding.concatenate(self._gathered)
        self._gathered = []
        self.buckets = keyspace.choose_buckets_for(rows.checksums.tolist())
        self._filled = np.zeros(self.buckets, dtype=bool)
        self._registry.update_record(self._generation, replace(self._record, buckets=self.buckets))
        self._encode(rows, self.buckets)

    def _check_empty_buckets(self) -> None:
        if self._is_again:  # a bucket whose last entity was erased meanwhile
            empty = np.flatnonzero(~self._filled).tolist()
            mark_emptied(self._connect(), self._registry.job, self._generation, empty)
        elif not self._filled.all():
            problem = f"{int(np.count_nonzero(~self._filled))} of {self.buckets} buckets would be empty"
            raise self._refuse(problem, "entries in each", "begin the load with gather=True", UnevenIdsError)

    def _read_priors(self, masters: Masters) -> None:
        if self._prior_columns != self.columns:
            raise self._bad("priors are not like predictions", f"{self.columns} parts", f"{self._prior_columns}")
        read_hash(masters, self._registry.job, self._prior_key, self.priors)

    def _send_hash(self, key: str, entries: Mapping[str, str]) -> None:
        send_hash(self._connect(), key, entries)

    def _list_reasons(self) -> Iterator[tuple[str, dict[str, str]]]:
        for number, entries in enumerate(self.reasons):
            yield keyspace.reasons_key(self._registry.job, self._generation, number), entries

    @property
    def _prior_key(self) -> str:
        return keyspace.prior_key(self._registry.job, self._generation)

    def _connect(self) -> Masters:
        self._masters = self._masters or Masters(self._registry.client)
        return self._masters

    def _bad(self, problem: str, expected: str, found: str) -> BadInputError:
        return BadInputError(
            problem,
            job=self._registry.job,
            partition=self._record.partition,
            expected=expected,
            found=found,
            next_step="score the partition again, then publish",
        )

    def _refuse(
        self, problem: str, expected: str, next_step: str, kind: type[RefusedError] = RefusedError
    ) -> RefusedError:
        place = (self._registry.job, self._record.partition, self._generation)
        return refuse_load(*place, problem, expected=expected, next_step=next_step, kind=kind)
