"""Judge what was watched: which alarms match a disruption, how often one was false, how early, how good estimates were.

The predictions of partition D are about day D + 1, and its features are of the days up to D.  So an episode that lasts
from partition A until its alarm is raised by partition B speaks of the days A to B + 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from trials.monitoring.disruptions import Disruption

DAY = timedelta(days=1)
MONTH = 365.25 / 12
"""Days."""

LEAD = 7
"""Nights before a drop in accuracy in which an alarm of the inputs is taken for a warning of it."""

Watched = dict[str, Any]
"""What `nightjar replay --watch` wrote."""


@dataclass(frozen=True)
class Alarm:
    """An alarm that was raised.

    Attributes:
        since, raised: first partition of the episode, and the one whose night raised it.
        resolved: None if it lasted to the end.
    """

    signal: str
    since: date
    raised: date
    resolved: date | None

    @property
    def monitor(self) -> str:
        """Which of the four monitors it belongs to."""
        return self.signal.partition(".")[0]

    def matches(self, disruption: Disruption) -> bool:
        """Whether the days that it speaks of and the disruption have one in common."""
        return self.since <= disruption.last and disruption.first <= self.raised + DAY


def judge(watched: Watched, disruptions: Sequence[Disruption]) -> dict[str, Any]:
    """The report, as ``reports/monitoring.json`` has it."""
    alarms = list(read_alarms(watched["alarms"]))
    nights = watched["nights"]
    matched = [alarm for alarm in alarms if _find_match(alarm, disruptions) is not None]
    months = len(nights) / MONTH
    return {
        "job": watched["job"],
        "policy": watched["policy"],
        "first": watched["first"],
        "last": watched["last"],
        "nights": len(nights),
        "alarms": len(alarms),
        "matched": len(matched),
        "false_alarms_per_month": round((len(alarms) - len(matched)) / months, 2),
        **_measure_estimates(nights),
        "disruptions": len(disruptions),
        "disruptions_found": sum(any(alarm.matches(item) for alarm in alarms) for item in disruptions),
        "by_signal": _count_by_signal(alarms, disruptions),
        "breached_nights": _count_breaches(nights),
        "warnings_of_drops": list(_measure_leads(alarms)),
        "all_alarms": [_describe(alarm, disruptions) for alarm in alarms],
        "all_disruptions": [
            {
                "first": item.first.isoformat(),
                "last": item.last.isoformat(),
                "cancelled": round(item.cancelled, 3),
                "alarms": [alarm.signal for alarm in alarms if alarm.matches(item)],
            }
            for item in disruptions
        ],
    }


def read_alarms(events: Iterable[dict[str, Any]]) -> Iterator[Alarm]:
    """The alarms of a log, in the order in which they were raised."""
    events = list(events)
    for at, event in enumerate(events):
        if event["kind"] != "raised":
            continue
        later = (other for other in events[at:] if other["signal"] == event["signal"] and other["kind"] == "resolved")
        resolved = next((date.fromisoformat(other["partition"]) for other in later), None)
        since, raised = (date.fromisoformat(event[name]) for name in ("since", "partition"))
        yield Alarm(event["signal"], since, raised, resolved)


def _find_match(alarm: Alarm, disruptions: Sequence[Disruption]) -> Disruption | None:
    return next((item for item in disruptions if alarm.matches(item)), None)


def _describe(alarm: Alarm, disruptions: Sequence[Disruption]) -> dict[str, Any]:
    match = _find_match(alarm, disruptions)
    return {
        "signal": alarm.signal,
        "since": alarm.since.isoformat(),
        "raised": alarm.raised.isoformat(),
        "resolved": None if alarm.resolved is None else alarm.resolved.isoformat(),
        "disruption": None if match is None else match.first.isoformat(),
    }


def _count_by_signal(alarms: Sequence[Alarm], disruptions: Sequence[Disruption]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for alarm in alarms:
        count = counts.setdefault(alarm.signal, {"alarms": 0, "matched": 0})
        count["alarms"] += 1
        count["matched"] += _find_match(alarm, disruptions) is not None
    return dict(sorted(counts.items()))


def _count_breaches(nights: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """By signal: nights on which it was judged, on which it was beyond a limit, and on which it was muted."""
    counts: dict[str, dict[str, int]] = {}
    for signal in _list_signals(nights):
        count = counts.setdefault(signal["name"], {"judged": 0, "breached": 0, "muted": 0})
        count["judged" if signal["muted"] is None else "muted"] += 1
        count["breached"] += signal["breached"] and signal["muted"] is None
    return dict(sorted(counts.items()))


def _list_signals(nights: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for night in nights:
        yield from night["signals"]
        yield from (night["graded"] or {}).get("signals", ())


def _measure_leads(alarms: Sequence[Alarm]) -> Iterator[dict[str, Any]]:
    """For each alarm of the realised accuracy: nights since the alarm of the inputs or outputs that came before it.

    None if there was none in the week before.
    """
    for drop in (alarm for alarm in alarms if alarm.monitor == "accuracy"):
        earlier = [
            (drop.since - alarm.raised).days
            for alarm in alarms
            if alarm.monitor in ("inputs", "outputs") and 0 <= (drop.since - alarm.raised).days <= LEAD
        ]
        yield {"signal": drop.signal, "since": drop.since.isoformat(), "nights_before": max(earlier, default=None)}


def _measure_estimates(nights: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean absolute error of the estimates that were not muted, beside that of always expecting the mean so far."""
    found: dict[str, Any] = {}
    for metric in ("auc", "log_loss"):
        errors, naive, realised_so_far = [], [], list[float]()
        for night in nights:
            realised = ((night["graded"] or {}).get("metrics") or {}).get(metric)
            if realised is None:
                continue
            estimate = night["estimate"]
            if estimate is not None and metric in estimate["metrics"] and realised_so_far:
                errors.append((abs(estimate["metrics"][metric] - realised), estimate["muted"] is not None))
                naive.append(abs(float(np.mean(realised_so_far)) - realised))
            realised_so_far.append(realised)
        believed = [error for error, muted in errors if not muted]
        found |= {
            f"estimate_{metric}_error": _mean([error for error, _ in errors]),
            f"estimate_{metric}_error_believed": _mean(believed),
            f"naive_{metric}_error": _mean(naive),
            f"estimate_{metric}_nights": len(errors),
            f"estimate_{metric}_muted": len(errors) - len(believed),
        }
    return found


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
