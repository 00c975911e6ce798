"""Alarms: raised when a signal was beyond its limit on k of n nights, resolved when it was within it on n.

One whose signal is not judged any more, because it stays muted or no record has it, is resolved as well, and says so.

The log of alarms is what whoever tells people reads.  A signal is judged on the newest nights alone, so a backfill of
an old partition neither raises nor resolves anything; one that is still among the newest n is counted in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from pipeline.job import Job
from pipeline.monitoring import Graded, Observed, Signal
from pipeline.stages.monitor.episodes import Turn, find_turn, read_breach
from pipeline.stages.monitor.estimate import ESTIMATE
from pipeline.stages.monitor.usual import find_signal
from pipeline.stores.alarms import AlarmEvent, list_open, pair_events
from pipeline.stores.event_log import EventLog
from pipeline.stores.monitoring import KINDS, Kind
from pipeline.tasks.findings import OF_CHECK
from pipeline.tasks.runs import Summary
from pipeline.tasks.workspace import Workspace

ASKING_FOR_TRAINING = frozenset(
    {
        "inputs.drift",
        "inputs.weekday_drift",
        "outputs.drift",
        "accuracy.primary",
        "accuracy.segments",
        "accuracy.estimate",
        "accuracy.concept",
    }
)
"""Signals whose alarm says that the world is no longer what the model was trained on."""


@dataclass(frozen=True)
class _History:
    """One signal, night after night.

    Attributes:
        seen: by partition, the signal where the night has it, and the release that it is of.
        breaches: by partition of every night, whether it was beyond its limit; None where it does not count.
    """

    name: str
    seen: Mapping[str, tuple[Signal, str]]
    breaches: Mapping[str, bool | None]


def judge_alarms(workspace: Workspace, job: Job, partition: str, run: str) -> list[AlarmEvent]:
    """Raise and resolve what the newest record of a partition, observed or graded, decides.

    Doing so again writes nothing, and neither does a second run at the same time.

    Args:
        run: who watches; a retry of it is told what its earlier attempt wrote.

    Returns:
        What this run wrote, in order.

    Raises:
        DamagedError: the log of alarms, or the record of a night, cannot be read.
        UnavailableError: others write to the log all the time.
    """
    records = workspace.monitoring(job)
    log = records.alarms
    events = log.events()
    first = (date.fromisoformat(partition) - timedelta(days=job.monitoring.history)).isoformat()
    for kind in KINDS:
        if partition in records.partitions(kind)[-job.monitoring.n :]:  # else it decides nothing, and nothing is read
            alone = {signal for signal in list_open(events) if find_kind(signal) == kind} - OF_CHECK
            for history in _list_histories(records.nights(kind, first), alone):
                events = _judge_signal(workspace, job, log, events, history, partition, run)
    return [event for event in events if event.run == run]


def list_alarms(workspace: Workspace, job: Job, *, last: int) -> dict[str, list[Summary]]:
    """The alarms that stand (``open``), and the ``last`` that do not any more (``resolved``), newest first.

    An alarm is as :meth:`pipeline.stores.alarms.Alarm.to_json` has it.
    """
    alarms = pair_events(workspace.monitoring(job).alarms.events())
    alarms.sort(key=lambda alarm: alarm.newest.number, reverse=True)
    return {
        "open": [alarm.to_json() for alarm in alarms if alarm.resolved is None],
        "resolved": [alarm.to_json() for alarm in alarms if alarm.resolved is not None][:last],
    }


def summarise_events(events: Sequence[AlarmEvent]) -> Summary:
    """What has become of alarms.

    Returns:
        Signals: of those that were ``raised``; ``resolved``, being within their limits again; and closed ``unjudged``.
        ``ask``: why they call for a training; None if they do not.
    """
    return {
        "raised": [event.signal for event in events if event.kind == "raised"],
        "resolved": [event.signal for event in events if event.kind == "resolved" and event.judged],
        "unjudged": [event.signal for event in events if not event.judged],
        "ask": explain_training(events),
    }


def explain_training(events: Sequence[AlarmEvent]) -> str | None:
    """Why alarms that were just raised call for a training; None if none of them does."""
    reasons = [
        f"{event.signal} was beyond its limit on several nights since {event.since}"
        for event in events
        if event.kind == "raised" and event.signal in ASKING_FOR_TRAINING
    ]
    return "; ".join(reasons) or None


def find_kind(signal: str) -> Kind:
    """The records that hold a signal: what is told from labels is in gradings."""
    return "graded" if signal.startswith("accuracy.") and signal != ESTIMATE else "observed"


def _judge_signal(
    workspace: Workspace,
    job: Job,
    log: EventLog[AlarmEvent],
    known: list[AlarmEvent],
    history: _History,
    partition: str,
    run: str,
) -> list[AlarmEvent]:
    """Write what has become of one signal; returns the log, as far as it is known then."""

    def find(events: list[AlarmEvent]) -> tuple[Turn | None, AlarmEvent | None]:
        opened = list_open(events).get(history.name)
        rules = {"k": job.monitoring.k, "n": job.monitoring.n}
        return find_turn(history.breaches, partition, is_open=opened is not None, **rules), opened

    def draft(number: int) -> AlarmEvent:
        events = log.events(known)
        turn, opened = find(events)
        if turn is None:  # somebody else wrote it meanwhile
            return events[-1]
        monitor = history.name.partition(".")[0]
        event = AlarmEvent(
            number=number,
            kind=turn.kind,
            signal=history.name,
            severity=getattr(job.monitoring.severities, monitor),
            at=workspace.clock().astimezone(UTC).isoformat(timespec="seconds"),
            partition=turn.partition,
            since=opened.since if opened is not None else str(turn.since),
            run=run,
        )
        return event.model_copy(update=_describe_turn(history, turn, job.monitoring.n))

    if find(known)[0] is None:
        return known
    log.append(draft)
    return log.events(known)


def _describe_turn(history: _History, turn: Turn, n: int) -> dict[str, Any]:
    """What an event says of the night of a turn: the numbers, or why there are none that count."""
    signal, generation = history.seen.get(turn.partition, (None, None))
    if turn.judged and signal is not None:
        measured = {name: getattr(signal, name) for name in ("value", "lower", "upper", "unit", "worst")}
        return {**measured, "generation": generation}
    why = "the newest record does not have it" if signal is None else signal.muted
    found = f"not judged on {n} {'night' if n == 1 else 'nights'}: {why}"
    return {"found": found, "judged": False, "generation": generation}


def _list_histories(nights: Sequence[Observed] | Sequence[Graded], alone: Collection[str]) -> list[_History]:
    """The signals of these nights, by name, and those of ``alone``, which none of the nights may have."""
    seen: dict[str, dict[str, tuple[Signal, str]]] = {name: {} for name in alone}
    for night in nights:
        for signal in night.signals:
            seen.setdefault(signal.name, {})[night.partition] = signal, night.generation
    return [
        _History(name, found, {night.partition: read_breach(find_signal(night, name)) for night in nights})
        for name, found in sorted(seen.items())
    ]
