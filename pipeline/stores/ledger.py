"""The model ledger: the truth about which model is champion, now and on any past night.

    jobs/<job>/models/000001.json, 000002.json, …

Append-only, see :mod:`pipeline.stores.event_log`: of two writers one loses, reads again and decides again.  MLflow only
mirrors it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from pipeline.errors import NotReadyError, RefusedError
from pipeline.stores.event_log import EventLog
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import Event, Kind, ModelVersion, Registration, find_champion, list_versions


class Ledger:
    """The model ledger of one job.

    Args:
        known_by: who was champion is told by the events up to this moment; nothing can be written then.
    """

    def __init__(self, lake: Lake, job: str, clock: Callable[[], datetime], known_by: datetime | None = None) -> None:
        self._job = job
        self._clock = clock
        self._known_by = known_by
        self._log = EventLog(lake, job, f"jobs/{job}/models", "model ledger", Event)

    def events(self) -> list[Event]:
        """Every event, in order.

        Raises:
            DamagedError: an event is missing or cannot be read.
        """
        events = self._log.events()
        if self._known_by is None:
            return events
        return [event for event in events if datetime.fromisoformat(event.at) <= self._known_by]

    def versions(self) -> list[ModelVersion]:
        """Every registered model, oldest first."""
        return list_versions(self.events())

    def version(self, version: str) -> ModelVersion:
        """The registered model called ``version``.

        Raises:
            NotReadyError: it was never registered.
        """
        return self._known(version, self.events())

    def champion(self, partition: str) -> ModelVersion | None:
        """The model that scores ``partition``, as :func:`find_champion` says; None if there is none."""
        events = self.events()
        version = find_champion(events, partition)
        return None if version is None else self._known(version, events)

    def require_champion(self, partition: str) -> ModelVersion:
        """The model that scores ``partition``.

        Raises:
            NotReadyError: no model is champion for it.
        """
        champion = self.champion(partition)
        if champion is None:
            day_before = (date.fromisoformat(partition) - timedelta(days=1)).isoformat()
            raise NotReadyError(
                "no model is champion for this partition yet",
                job=self._job,
                partition=partition,
                expected=f"a promotion that holds from {partition} or an earlier partition",
                found=f"{len(self.versions())} registered models, none of them promoted for it",
                next_step=f"nightjar train {self._job} --partition {day_before}",
            )
        return champion

    def register(self, registration: Registration, *, who: str, why: str) -> ModelVersion:
        """Give a model a version.  The same two files again keep the version that they have."""

        def decide(events: list[Event]) -> Event:
            for event in events:
                if event.registration is not None and event.registration.identity == registration.identity:
                    return event
            version = str(len(list_versions(events)) + 1)
            return self._draft(events, "registered", version, who, why, registration=registration)

        event = self._append(decide)
        return self._known(event.model_version, [event])

    def promote(
        self,
        version: str,
        *,
        holds_from: str,
        who: str,
        why: str,
        expected_champion: str | None,
        again: bool = False,
    ) -> Event:
        """Make ``version`` champion for ``holds_from`` and later partitions, until a later promotion.

        Promoting what is champion already changes nothing and gives the event that made it so.

        Args:
            expected_champion: version that ``version`` was compared with; None if there was none.
            again: promote even what was demoted or rejected: for a person, never for a task, which may be a late retry.

        Raises:
            NotReadyError: the version was never registered.
            RefusedError: another model has become champion since the comparison, or the version was taken back.
        """
        date.fromisoformat(holds_from)

        def decide(events: list[Event]) -> Event:
            self._known(version, events)
            champion = find_champion(events, holds_from)
            if champion == version:
                return next(event for event in reversed(_events_of(version, events)) if event.kind == "promoted")
            if not again:
                self._refuse_taken_back(version, events)
            if champion != expected_champion:
                raise RefusedError(
                    f"model {version} was not compared with the champion of today",
                    job=self._job,
                    partition=holds_from,
                    expected=_describe(expected_champion),
                    found=_describe(champion),
                    next_step="evaluate the challenger again, against the champion that there is now",
                )
            return self._draft(events, "promoted", version, who, why, holds_from=holds_from)

        return self._append(decide)

    def demote(self, version: str, *, holds_from: str, who: str, why: str) -> Event:
        """Take the champion back for ``holds_from`` and later partitions; the one before it is champion again.

        Raises:
            RefusedError: ``version`` is not champion for that partition.
        """
        date.fromisoformat(holds_from)

        def decide(events: list[Event]) -> Event:
            champion = find_champion(events, holds_from)
            own = _events_of(version, events)
            if own and own[-1].kind == "demoted" and own[-1].holds_from == holds_from:
                return own[-1]
            if champion != version:
                raise RefusedError(
                    f"model {version} is not champion, so it cannot be demoted",
                    job=self._job,
                    partition=holds_from,
                    expected=_describe(version),
                    found=_describe(champion),
                    next_step="name the champion, or a partition for which this model is champion",
                )
            return self._draft(events, "demoted", version, who, why, holds_from=holds_from)

        return self._append(decide)

    def reject(self, version: str, *, who: str, why: str) -> Event:
        """Say that ``version`` is no candidate any more.  Rejecting it again changes nothing.

        Raises:
            NotReadyError: the version was never registered.
            RefusedError: it is champion.
        """

        def decide(events: list[Event]) -> Event:
            self._known(version, events)
            own = _events_of(version, events)
            if own[-1].kind == "rejected":
                return own[-1]
            if find_champion(events) == version:
                raise RefusedError(
                    f"model {version} is champion, so it cannot be rejected",
                    job=self._job,
                    expected="a challenger",
                    found=_describe(version),
                    next_step="demote it first, which restores the champion before it",
                )
            return self._draft(events, "rejected", version, who, why)

        return self._append(decide)

    def _append(self, decide: Callable[[list[Event]], Event]) -> Event:
        """Write the event that ``decide`` draws up from those before it, or return the old one that it chose."""
        if self._known_by is not None:
            raise ValueError("a ledger as it was known at some moment is not written to")
        return self._log.append(lambda number: decide(self.events()[: number - 1]))

    def _draft(
        self,
        events: list[Event],
        kind: Kind,
        version: str,
        who: str,
        why: str,
        *,
        holds_from: str | None = None,
        registration: Registration | None = None,
    ) -> Event:
        return Event(
            number=len(events) + 1,
            kind=kind,
            model_version=version,
            at=self._clock().astimezone(UTC).isoformat(timespec="seconds"),
            who=who,
            why=why,
            holds_from=holds_from,
            registration=registration,
        )

    def _refuse_taken_back(self, version: str, events: list[Event]) -> None:
        last = _events_of(version, events)[-1]
        if last.kind in ("demoted", "rejected"):
            raise RefusedError(
                f"model {version} was {last.kind}, so it is not promoted again by itself",
                job=self._job,
                expected="a model that nobody has taken back",
                found=f"{last.kind} by {last.who} at {last.at}: {last.why}",
                next_step="train on newer data, or have a person promote it again",
            )

    def _known(self, version: str, events: list[Event]) -> ModelVersion:
        known = list_versions(events)
        for candidate in known:
            if candidate.version == version:
                return candidate
        raise NotReadyError(
            f"there is no model {version}",
            job=self._job,
            expected="one of " + (", ".join(candidate.version for candidate in known) or "none: nothing is registered"),
            next_step=f"choose a registered version, or train one: nightjar train {self._job}",
        )


def _events_of(version: str, events: list[Event]) -> list[Event]:
    return [event for event in events if event.model_version == version]


def _describe(champion: str | None) -> str:
    return "no champion" if champion is None else f"model {champion} as champion"
