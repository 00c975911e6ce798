"""The nights that tonight's limits are learnt from: those that somebody would call usual."""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job
from pipeline.monitoring import Observed
from pipeline.stages.monitor.episodes import Episode, list_unusual
from pipeline.stores.alarms import Alarm, pair_events
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
    unusual = list_unusual(breaches, map(_name_episode, pair_events(records.alarms.events())), rules.minimum)
    judged_along = {night.partition for night in nights[len(nights) - rules.n + 1 :]}
    left_out = unusual | judged_along
    return [night for night in nights if night.partition not in left_out and night.generation not in taken_back][
        -rules.history :
    ]


def _name_episode(alarm: Alarm) -> Episode:
    """From its first night to the one that resolved it."""
    until = None if alarm.resolved is None else alarm.resolved.partition
    return Episode(alarm.raised.signal, alarm.raised.since, until)
