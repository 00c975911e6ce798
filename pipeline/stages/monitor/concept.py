"""Concept drift: outcomes that lastingly are others than the scores promise.

The estimate knows what the scores say of a night, and what scores like these were worth on the nights before.  Where
outcomes come out otherwise, night after night, the relation between the inputs and the outcome has changed, not the
inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.job import Job
from pipeline.monitoring import Graded, Signal
from pipeline.stages.evaluate import PRIMARY_METRIC
from pipeline.stages.monitor.limits import learn_band
from pipeline.stages.monitor.outcomes import PRIMARY, UNITS
from pipeline.stages.monitor.unusual import describe_waiting
from pipeline.stages.monitor.usual import find_signal, list_usual

CONCEPT = "accuracy.concept"


def judge_concept(job: Job, tonight: Graded, past: Sequence[Graded]) -> Signal:
    """Realised less estimated primary metric, beside what it was on the nights before.

    A single night beyond the band is a surprise, such as a storm; that it lasts is for the alarm to find.

    Args:
        tonight: with the signal ``accuracy.primary``; where that is muted, this one is for the same reason.
        past: gradings of the nights before, oldest first.
    """
    unit, watched = UNITS[job.task], job.monitoring
    primary, gap = find_signal(tonight, PRIMARY), find_gap(job, tonight)
    if primary is not None and not primary.teaches:
        return Signal(name=CONCEPT, value=gap, unit=unit, muted=primary.muted)
    if gap is None:
        return Signal(name=CONCEPT, value=None, unit=unit, muted="nothing was estimated before the labels came")
    usual = [earlier for night in list_usual(CONCEPT, past, watched) if (earlier := find_gap(job, night)) is not None]
    band = learn_band(usual, watched.false_alarms) if len(usual) >= watched.minimum else None
    return Signal(
        name=CONCEPT,
        value=gap,
        lower=None if band is None else band.lower,
        upper=None if band is None else band.upper,
        unit=unit,
        breached=band is not None and not band.holds(gap),
        muted=describe_waiting(len(usual), watched) if band is None else None,
        waiting=band is None,
        nights=len(usual),
    )


def find_gap(job: Job, night: Graded) -> float | None:
    """Realised less estimated primary metric; None where one of them is not known."""
    metric = PRIMARY_METRIC[job.task]
    if metric not in night.metrics or metric not in night.estimated:
        return None
    return night.metrics[metric] - night.estimated[metric]
