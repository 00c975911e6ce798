"""Outcomes: a served night against its labels, overall and by segment, beside the nights before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.monitoring import CalibrationBin, Graded, Part, SegmentGrade, Signal
from pipeline.stages.compare.tally import OVERALL, iterate_segments
from pipeline.stages.evaluate import PRIMARY_METRIC, compute_metrics, split_by_score
from pipeline.stages.evaluate.metrics import CALIBRATION_BINS, BusinessCost
from pipeline.stages.monitor.limits import measure_spread
from pipeline.stages.monitor.unusual import count_needed, describe_waiting
from pipeline.stages.monitor.usual import judge_high, list_usual

PRIMARY = "accuracy.primary"
SEGMENTS = "accuracy.segments"
CALIBRATION = "accuracy.calibration"

WORST = 5
"""Segments that a signal names, at the most."""

FEW_LABELS = 0.5
"""Of the usual share of labels: with fewer, what is known is another kind of night, and is not judged."""

FEW_ROWS = "no segment has had enough rows on enough nights"

UNITS: Mapping[str, str] = {"binary": "nats", "regression": ""}
"""Of the primary metric; an RMSE is in units of the label, which has no name here."""


@dataclass(frozen=True)
class Performance:
    """How good the scores of a night were.

    Attributes:
        metrics: as :func:`pipeline.stages.evaluate.compute_metrics` has them; empty if the outcomes tell nothing.
        problem: why they are empty.
    """

    metrics: dict[str, float]
    segments: tuple[SegmentGrade, ...]
    calibration: tuple[CalibrationBin, ...]
    problem: str | None = None


def measure_outcomes(
    job: Job, labels: pd.Series, scores: pd.Series, segments: pd.DataFrame, business_cost: BusinessCost | None
) -> Performance:
    """Metrics and calibration of one night, and metrics of every segment with ``training.gate.min_segment`` rows.

    Args:
        labels: outcomes, none missing.
        scores: of the same rows in the same order.
        segments: the job's segment columns of the same rows.
        business_cost: the job's own, of each row.
    """
    truth, predicted = labels.to_numpy("float64"), scores.to_numpy("float64")
    metrics, problem = _measure(job, truth, predicted, business_cost)
    grades = [
        SegmentGrade(
            segment=f"{column}={value}",
            rows=int(rows.sum()),
            metrics=_measure(job, truth[rows], predicted[rows], business_cost)[0]
            if rows.sum() >= job.training.gate.min_segment
            else {},
        )
        for (column, value), rows in iterate_segments(segments, job.segments)
        if (column, value) != OVERALL
    ]
    grades.sort(key=lambda grade: grade.segment)
    return Performance(metrics, tuple(grades), tuple(_calibrate(truth, predicted)), problem)


def judge_outcomes(job: Job, tonight: Graded, past: Sequence[Graded], problem: str | None = None) -> tuple[Signal, ...]:
    """The signals of a graded night: its primary metric, its calibration, its worst segment.

    Args:
        past: gradings of the nights before, oldest first.
        problem: why the night has no metrics.
    """
    muted = problem or _find_few_labels(job, tonight, past)
    signals = (
        _judge_metric(job, PRIMARY, PRIMARY_METRIC[job.task], tonight, past, UNITS[job.task]),
        _judge_metric(job, CALIBRATION, "calibration_error", tonight, past),
        _judge_segments(job, tonight, past),
    )
    if muted is None:
        return signals
    return tuple(signal.model_copy(update={"muted": muted, "waiting": False, "breached": False}) for signal in signals)


def _measure(
    job: Job, truth: np.ndarray, predicted: np.ndarray, business_cost: BusinessCost | None
) -> tuple[dict[str, float], str | None]:
    """Metrics, or none and why not: a night or segment may have one outcome only, which is nobody's fault."""
    try:
        return compute_metrics(job.task, pd.Series(truth), pd.Series(predicted), business_cost), None
    except BadInputError as error:
        return {}, f"{error.problem}: expected {error.expected}, found {error.found}"


def _calibrate(truth: np.ndarray, predicted: np.ndarray) -> Iterator[CalibrationBin]:
    for rows in split_by_score(predicted, CALIBRATION_BINS):
        errors = predicted[rows] - truth[rows]
        yield CalibrationBin(
            lower=float(predicted[rows].min()),
            upper=float(predicted[rows].max()),
            rows=len(rows),
            mean_score=float(predicted[rows].mean()),
            mean_label=float(truth[rows].mean()),
            absolute_error=float(np.abs(errors).mean()),
            squared_error=float(np.square(errors).mean()),
        )


def _find_few_labels(job: Job, tonight: Graded, past: Sequence[Graded]) -> str | None:
    """Why the night is not judged, if far fewer of its outcomes are known than usual."""
    shares = [night.labelled / night.scored for night in past[-job.monitoring.history :]]
    if len(shares) < job.monitoring.minimum:
        return None
    share, usual = tonight.labelled / tonight.scored, float(np.median(shares))
    if share >= FEW_LABELS * usual:
        return None
    return f"labels of {share:.1%} of the predictions are known, where {usual:.1%} are usual"


def _judge_metric(job: Job, name: str, metric: str, tonight: Graded, past: Sequence[Graded], unit: str = "") -> Signal:
    if metric not in tonight.metrics:
        return Signal(name=name, value=None, unit=unit, muted="it was not measured")
    usual = [night.metrics[metric] for night in list_usual(name, past, job.monitoring)]
    return judge_high(name, tonight.metrics[metric], usual, job.monitoring, unit=unit)


def _judge_segments(job: Job, tonight: Graded, past: Sequence[Graded]) -> Signal:
    """How unusual the worst segment's primary metric is, in spreads of its own from its own median.

    One limit for all segments together: that of the largest over segments, night by night (max-T: Westfall and Young
    1993, "Resampling-based multiple testing").  Median and spread are taken over past nights and tonight alike, so that
    tonight's largest could have been any of theirs.
    """
    usual = list_usual(SEGMENTS, past, job.monitoring)
    metric = PRIMARY_METRIC[job.task]
    values = pd.DataFrame(
        [{grade.segment: grade.metrics.get(metric) for grade in night.segments} for night in [*usual, tonight]],
        dtype="float64",
    )
    spreads = values.apply(lambda column: measure_spread(column.dropna().to_numpy()) if column.notna().any() else 0.0)
    known = values.columns[(values.iloc[:-1].notna().sum() >= job.monitoring.minimum) & (spreads > 0)]
    scores = (values[known] - values[known].median()) / spreads[known]
    own = scores.iloc[-1].dropna().sort_values(ascending=False)
    if own.empty:
        needed = count_needed(job.monitoring.minimum, job.monitoring.false_alarms)
        muted = describe_waiting(len(usual), job.monitoring) if len(usual) < needed else FEW_ROWS
        return Signal(name=SEGMENTS, value=None, unit="spreads", muted=muted, waiting=True, nights=len(usual))
    largest = scores.iloc[:-1].max(axis="columns").dropna().tolist()
    signal = judge_high(SEGMENTS, float(own.iloc[0]), largest, job.monitoring, unit="spreads")
    parts = [Part(name=str(name), value=float(score), limit=signal.upper) for name, score in own.head(WORST).items()]
    return signal.model_copy(update={"worst": tuple(parts)})
