"""One load: a generation that nobody reads yet, sent, read back and sealed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import keyspace
from pipeline.errors import BadInputError, NightjarError, RefusedError, UnavailableError
from pipeline.keyspace import Basis, Header, State, token_of
from pipeline.stores.predictions import encoding
from pipeline.stores.predictions.encoding import Chunk, Rows
from pipeline.stores.predictions.masters import Masters
from pipeline.stores.predictions.priors import encode_priors, read_priors, send_priors
from pipeline.stores.predictions.refusals import explain_refusal, explained
from pipeline.stores.predictions.registry import Record, Registry
from pipeline.stores.predictions.transfer import Sent, mark_emptied, measure_buckets, read_chunk, send_chunk
from pipeline.stores.predictions.wire import ReplyError

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

    def __init__(
        self, registry: Registry, generation: str, record: Record, decimals: int | None, *, is_again: bool = False
    ) -> None:
        self._registry = registry
        self._record = record
        self._decimals = decimals
        self._is_again = is_again
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
        self._priors: dict[str, str] = {}
        self._prior_columns = 0
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="publish")
        self._masters: Masters | None = None

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

    def send_priors(self, priors: Mapping[str, Any]) -> None:
        """Send what holds for entities that are not in the population; before :meth:`read_back`, once, if at all.

        Args:
            priors: prediction by segment, the one of the segment ``""`` for whoever is in no segment.

        Raises:
            BadInputError: there is no global prior, or a segment or a prediction cannot be published.
            UnavailableError, RefusedError: as for :meth:`send`.
        """
        self._guard(lambda: self._send_priors(priors))

    def make_header(
        self,
        *,
        cutoff: datetime,
        model_version: str,
        feature_set: str,
        columns: tuple[str, ...],
        max_age_seconds: int | None,
        manifest: str,
        inputs: str = "",
        basis: Basis = "as_corrected",
        prior_segment: str | None = None,
        caveats: tuple[str, ...] = (),
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
            inputs=inputs,
            basis=basis,
            priors=len(self._priors),
            prior_segment=prior_segment,
            caveats=caveats,
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
            for node, part in self._connect().split(chunk, self._registry.job, self.generation):
                while len(self._under_way) >= _CHUNKS_UNDER_WAY:
                    self._sent.append(self._under_way.popleft().result())
                self._under_way.append(self._sender.submit(self._send_chunk, node, part))

    def _send_chunk(self, node: str, chunk: Chunk) -> Sent:
        return send_chunk(self._connect(), node, self._registry.job, self.generation, chunk)

    def _send_priors(self, priors: Mapping[str, Any]) -> None:
        self._priors, self._prior_columns = encode_priors(priors, self._decimals)
        key = keyspace.prior_key(self._registry.job, self.generation)
        # Shards may still be on their way: behind them, since a wire is one conversation.
        self._sender.submit(lambda: send_priors(self._connect(), key, self._priors)).result()

    def _connect(self) -> Masters:
        self._masters = self._masters or Masters(self._registry.client)
        return self._masters

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
        if self._is_again:  # a bucket whose last entity was erased meanwhile
            empty = np.flatnonzero(~self._filled).tolist()
            mark_emptied(self._connect(), self._registry.job, self.generation, empty)
        elif not self._filled.all():
            count = int(np.count_nonzero(~self._filled))
            problem = f"{count} of {self.buckets} buckets would be empty"
            raise self._refuse(problem, "entries in each", "begin the load with gather=True", UnevenIdsError)
        masters, job = self._connect(), self._registry.job
        rows = sum(read_chunk(masters, job, self.generation, sent) for sent in self._sent)
        if self._priors:
            if self._prior_columns != self.columns:
                raise self._bad("priors are not like predictions", f"{self.columns} parts", f"{self._prior_columns}")
            read_priors(masters, job, keyspace.prior_key(job, self.generation), self._priors)
        self.bytes_per_prediction = measure_buckets(masters, job, self.generation, self._sent, _SAMPLED_BUCKETS)
        masters.settle()
        self._read_rows = rows
        return rows

    def _seal(self, header: Header) -> None:
        due = (self._registry.job, self.generation, self.partition, self._read_rows, self.buckets, self.columns)
        told = (header.job, header.generation, header.partition, header.rows, header.buckets, len(header.columns))
        if due != told:
            raise self._refuse("the header does not tell what was read back", f"{due}", f"correct the header: {told}")
        run_id = self._connect().server_of(keyspace.states_key(self._registry.job))
        state = self._registry.seal(header, run_id)
        if state == "another server":
            raise self._replaced()
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
        if self._masters is not None:
            self._masters.close()
            self._masters = None

    def _replaced(self) -> UnavailableError:
        return UnavailableError(
            f"Redis failed over after it was read back, the new master may not have all of it: {self.generation}",
            job=self._registry.job,
            partition=self.partition,
            expected="the server that was read back",
            found="another one",
            next_step="publish again",
        )

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
