"""The model ledger: the truth about which model is champion, now and on any past night.

    jobs/<job>/models/000001.json, 000002.json, …

Append-only, see :mod:`pipeline.stores.event_log`: of two writers one loses, reads again and decides again.  MLflow only
mirrors it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from pipeline.errors import NotReadyError, RefusedError
from pipeline.stores.event_log import EventLog
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import (
    Event,
    Kind,
    ModelVersion,
    Registration,
    find_champion,
    find_standing,
    list_versions,
)
from pipeline.stores.ledger_refusals import (
    name_champion,
    refuse_other_champion,
    refuse_replaced,
    refuse_taken_back,
)


class Ledger:
    """The model ledger of one job.

    Args:
        known_by: who was champion is told by the events up to this moment; nothing can be written then.
        folder: where its events are, under the job's; that of a replay is not production's.
    """

    def __init__(
        self,
        lake: Lake,
        job: str,
        clock: Callable[[], datetime],
        known_by: datetime | None = None,
        folder: str = "models",
    ) -> None:
        self._job = job
        self._clock = clock
        self._known_by = known_by
        self._log = EventLog(lake, job, f"jobs/{job}/{folder}", "model ledger", Event)

    def events(self, known: Sequence[Event] = ()) -> list[Event]:
        """Every event, in order; see :meth:`EventLog.events`.

        Raises:
            DamagedError: an event is missing or cannot be read.
        """
        events = self._log.events(known)
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
            again: promote even what was taken back or replaced: for a person, never for a task, which may come late.

        Raises:
            NotReadyError: the version was never registered.
            RefusedError: another model has become champion since the comparison, or the version was taken back or
                replaced.
        """
        date.fromisoformat(holds_from)

        def decide(events: list[Event]) -> Event:
            self._known(version, events)
            champion = find_champion(events, holds_from)
            if champion == version:
                return next(event for event in reversed(_events_of(version, events)) if event.kind == "promoted")
            if not again:
                refuse_taken_back(self._job, version, events)
                refuse_replaced(self._job, version, events)
            refuse_other_champion(self._job, version, events, holds_from, expected_champion)
            return self._draft(events, "promoted", version, who, why, holds_from=holds_from)

        return self._append(decide)

    def refuse(self, version: str, *, holds_from: str, who: str, why: str, champion: str | None) -> Event:
        """Write down that the gate did not let ``version`` pass.  It may pass later, against another champion.

        Doing so again changes nothing, and nothing that was decided about it since is undone.

        Args:
            champion: version that ``version`` was compared with; None if there was none.

        Raises:
            NotReadyError: the version was never registered.
        """
        date.fromisoformat(holds_from)

        def decide(events: list[Event]) -> Event:
            self._known(version, events)
            last = find_standing(events, version)
            if last.kind not in ("registered", "refused") or (last.kind, last.champion_after) == ("refused", champion):
                return last
            drafted = self._draft(events, "refused", version, who, why, holds_from=holds_from)
            return drafted.model_copy(update={"champion_before": champion, "champion_after": champion})

        return self._append(decide)

    def shadow(
        self, version: str, *, holds_from: str, until: str, who: str, why: str, expected_champion: str | None
    ) -> Event:
        """Let ``version`` score along, unserved, for the partitions from ``holds_from`` to ``until``.

        Doing so again, while it does or after it was champion, changes nothing and gives the event that began it.

        Raises:
            NotReadyError: the version was never registered.
            RefusedError: another model has become champion since the comparison, or the version was taken back.
        """

        def decide(events: list[Event]) -> Event:
            self._known(version, events)
            begun = [event for event in _events_of(version, events) if event.kind == "shadowed"]
            refuse_taken_back(self._job, version, events)
            if begun:
                return begun[-1]
            refuse_other_champion(self._job, version, events, holds_from, expected_champion)
            return self._draft(events, "shadowed", version, who, why, holds_from=holds_from, until=until)

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
                    expected=name_champion(version),
                    found=name_champion(champion),
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
            last = find_standing(events, version)
            if last.kind == "rejected":
                return last
            if find_champion(events) == version:
                raise RefusedError(
                    f"model {version} is champion, so it cannot be rejected",
                    job=self._job,
                    expected="a challenger",
                    found=name_champion(version),
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
        until: str | None = None,
        registration: Registration | None = None,
    ) -> Event:
        drafted = Event(
            number=len(events) + 1,
            kind=kind,
            model_version=version,
            at=self._clock().astimezone(UTC).isoformat(timespec="seconds"),
            who=who,
            why=why,
            holds_from=holds_from,
            until=until,
            registration=registration,
        )
        if holds_from is None:
            return drafted
        before, after = (find_champion(known, holds_from) for known in (events, [*events, drafted]))
        return drafted.model_copy(update={"champion_before": before, "champion_after": after})

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
