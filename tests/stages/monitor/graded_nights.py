"""Graded nights, made up: of scores that keep what they promise, of others that do not, and of metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.job import Job
from pipeline.monitoring import Graded, SegmentGrade, Signal
from pipeline.stages.monitor.outcomes import PRIMARY, judge_outcomes, measure_outcomes
from tests.monitoring_records import make_graded, name_night
from tests.stages.parcel_job import PARCELS

ROWS = 1000


def make_grading(number: int, **facts: Any) -> Graded:
    """A night with these facts and no others; it has the signal ``accuracy.primary`` if it has a log loss."""
    metrics: Mapping[str, float] = facts.get("metrics", {})
    signals = (Signal(name=PRIMARY, value=metrics["log_loss"]),) if "log_loss" in metrics else ()
    usual: dict[str, Any] = {"scored": ROWS, "labelled": ROWS, "metrics": {}}
    return make_graded(name_night(number), *signals, **usual | facts)


def make_segments(**losses: float) -> tuple[SegmentGrade, ...]:
    """Segments with their log loss."""
    return tuple(SegmentGrade(segment=name, rows=ROWS, metrics={"log_loss": loss}) for name, loss in losses.items())


def draw_rows(
    chance: np.random.Generator, *, spread: float = 1.0, boldness: float = 1.0, shift: float = 0.0, rows: int = ROWS
) -> tuple[pd.Series, pd.Series]:
    """Outcomes and scores of a night.

    Args:
        spread: of the log-odds over the rows; wider ones are easier to tell apart.
        boldness: of the scores: 1 says what is likely, more says it louder.
        shift: by how much the log-odds of the outcome are above what the scores say.
    """
    odds = chance.normal(-1.0, spread, rows)
    labels = chance.random(rows) < 1 / (1 + np.exp(-(odds + shift)))
    return pd.Series(labels.astype("float64")), pd.Series(np.round(1 / (1 + np.exp(-boldness * odds)), 4))


def grade_rows(number: int, labels: pd.Series, scores: pd.Series, past: list[Graded], job: Job = PARCELS) -> Graded:
    """A night as feedback grades it, without segments."""
    measured = measure_outcomes(job, labels, scores, pd.DataFrame(index=labels.index), None)
    night = make_grading(number, metrics=measured.metrics, calibration=measured.calibration)
    return night.model_copy(update={"signals": judge_outcomes(job, night, past)})
