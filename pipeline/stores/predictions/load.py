"""One load: a generation that nobody reads yet, sent, read back and sealed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

import pyarrow as pa

from pipeline import keyspace
from pipeline.errors import NightjarError, RefusedError, UnavailableError
from pipeline.keyspace import Basis, Header, State, token_of
from pipeline.stores.predictions.encoding import Rows
from pipeline.stores.predictions.refusals import explain_refusal, explained, refuse_load
from pipeline.stores.predictions.registry import Record, Registry
from pipeline.stores.predictions.shipment import Shipment
from pipeline.stores.predictions.wire import ReplyError

# Unknown: Redis lost its control keys, and with them the way to the data.
_GIVEN_UP = frozenset({State.REJECTED.value, "unknown"})


class Load:
    """A generation being loaded.  Call :meth:`send` for every shard, then :meth:`read_back`, then :meth:`seal`.

    Sending runs beside encoding, so an error may show at the next call.  After any error the load is abandoned: begin
    another one.  As a context manager it is abandoned unless it was sealed.

    Attributes:
        generation: its name.
        token: its fencing token.
        partition: that it is of.
    """

    def __init__(
        self, registry: Registry, generation: str, record: Record, decimals: int | None, *, is_again: bool = False
    ) -> None:
        self._registry = registry
        self._shipment = Shipment(registry, generation, record, decimals, is_again=is_again)
        self.generation = generation
        self.token = token_of(generation) or 0
        self.partition = record.partition
        self._read_rows: int | None = None
        self._sealed = False

    @property
    def sent_rows(self) -> int:
        """Entities sent so far."""
        return self._shipment.rows

    @property
    def buckets(self) -> int | None:
        """How many hashes they are spread over; None until :meth:`read_back` where they are few."""
        return self._shipment.buckets

    @property
    def bytes_per_prediction(self) -> float | None:
        """What Redis needs for one prediction, keys included; None until :meth:`read_back`."""
        return self._shipment.bytes_per_prediction

    def __enter__(self) -> Load:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sealed:
            self._shipment.close()
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
        self._guard(lambda: self._shipment.send(Rows.from_table(table)))

    def read_back(self) -> int:
        """Read every bucket and compare all of it with what was sent; returns the number of entities.

        Raises:
            DamagedError: Redis holds something else.
            UnevenIdsError: its ids leave a bucket empty, which a load that gathers them avoids.
            RefusedError: the load is not complete.
            BadInputError, UnavailableError: as for :meth:`send`.
        """
        rows: int = self._guard(self._shipment.read_back)
        self._read_rows = rows
        return rows

    def send_priors(self, priors: Mapping[str, Any]) -> None:
        """Send what holds for entities that are not in the population; before :meth:`read_back`, once, if at all.

        Args:
            priors: prediction by segment, the one of the segment ``""`` for whoever is in no segment.

        Raises:
            BadInputError: there is no global prior, or a segment or a prediction cannot be published.
            UnavailableError, RefusedError: as for :meth:`send`.
        """
        self._guard(lambda: self._shipment.send_priors(priors))

    def send_reasons(self, reasons: Mapping[str, str], buckets: int | None = None) -> None:
        """Send why predictions are what they are; before :meth:`read_back`, once, if at all.

        Args:
            reasons: by entity id, a JSON array of ``[feature, contribution]``.
            buckets: how many hashes they were spread over, of a generation that comes back.

        Raises:
            BadInputError: they are too many, too long, or no such arrays.
            UnavailableError, RefusedError: as for :meth:`send`.
        """
        self._guard(lambda: self._shipment.send_reasons(reasons, buckets))

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
            priors=len(self._shipment.priors),
            prior_segment=prior_segment,
            caveats=caveats,
            reason_buckets=len(self._shipment.reasons),
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

    def discard(self) -> None:
        """Abandon a load that was read back and was never to be sealed, and forget that there was one.

        Nothing of it can arrive any more, which is what an abandoned load stays known for.

        Raises:
            RefusedError, UnavailableError: as for :meth:`abandon`.
        """
        self.abandon()
        self._registry.forget(self.generation)

    def _give_up(self) -> None:
        """Reject the load and remove its data, unless Redis says that it was sealed."""
        self._shipment.close()
        state = self._registry.reject(self.generation, self.partition, [State.LOADING])
        self._sealed = state not in _GIVEN_UP
        if not self._sealed:
            self._registry.remove_data(self.generation, self.buckets or 0)

    def _seal(self, header: Header) -> None:
        parts = (self._shipment.columns, len(self._shipment.reasons))
        due = (self._registry.job, self.generation, self.partition, self._read_rows, self.buckets, *parts)
        told_parts = (len(header.columns), header.reason_buckets)
        told = (header.job, header.generation, header.partition, header.rows, header.buckets, *told_parts)
        if due != told:
            raise self._refuse("the header does not tell what was read back", f"{due}", f"correct the header: {told}")
        run_id = self._shipment.server_of(keyspace.states_key(self._registry.job))
        state = self._registry.seal(header, run_id)
        if state == "another server":
            raise self._replaced()
        if state != State.VERIFIED:
            raise self._refuse(f"the load was given up by somebody else ({state})", "loading", "publish again")
        self._sealed = True
        self._shipment.close()

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

    def _replaced(self) -> UnavailableError:
        return UnavailableError(
            f"Redis failed over after it was read back, the new master may not have all of it: {self.generation}",
            job=self._registry.job,
            partition=self.partition,
            expected="the server that was read back",
            found="another one",
            next_step="publish again",
        )

    def _refuse(self, problem: str, expected: str, next_step: str) -> RefusedError:
        place = (self._registry.job, self.partition, self.generation)
        return refuse_load(*place, problem, expected=expected, next_step=next_step)
