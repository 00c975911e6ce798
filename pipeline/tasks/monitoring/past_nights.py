"""The nights that tonight's limits are learnt from: those that somebody would call usual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from pipeline.job import Job
from pipeline.monitoring import Observed
from pipeline.stages.monitor.episodes import Episode, list_unusual
from pipeline.stores.monitoring import AlarmEvent
from pipeline.stores.release_log import list_taken_back
from pipeline.tasks.workspace import Workspace

_GAPS = 2
"""So many times the history's days are looked back, since nights may be missing among them."""


def read_past(workspace: Workspace, job: Job, partition: str) -> list[Observed]:
    """The newest nights before a partition that limits are learnt from, oldest first, as many as the history holds.

    Left out are releases that were rolled back; the ``n - 1`` nights before the partition, which its alarms are judged
    along with: the second night of a drift must not be held against the first; and nights that an alarm was about.
    """
    rules, records = job.monitoring, workspace.monitoring(job)
    day = date.fromisoformat(partition)
    first, last = day - timedelta(days=_GAPS * rules.history), day - timedelta(days=1)
    nights = records.observed(first.isoformat(), last.isoformat())
    taken_back = list_taken_back(workspace.release_log(job).events())
    breaches = {night.partition: {signal.name for signal in night.signals if signal.breached} for night in nights}
    unusual = list_unusual(breaches, list(_list_episodes(records.alarms.events())), rules.minimum)
    judged_along = {night.partition for night in nights[len(nights) - rules.n + 1 :]}
    left_out = unusual | judged_along
    return [night for night in nights if night.partition not in left_out and night.generation not in taken_back][
        -rules.history :
    ]


def _list_episodes(events: Sequence[AlarmEvent]) -> Iterator[Episode]:
    """Every alarm that was raised, from its first night to the one that resolved it."""
    raised: dict[str, AlarmEvent] = {}
    for event in events:
        if event.kind == "raised":
            raised[event.signal] = event
        elif event.signal in raised:
            yield Episode(event.signal, raised.pop(event.signal).since, event.partition)
    for event in raised.values():
        yield Episode(event.signal, event.since, None)
