"""Estimate: what a night's metrics will be, before any of its labels is known.

Confidence-based performance estimation (NannyML 2022): were a score the probability of its outcome, the expectation of
a metric could be told from the scores alone.  What a score is worth is learnt from past nights and their labels: the
probability of the outcome (its log-odds are a line in those of the score: Cox 1958, "Two further applications of a
model for binary regression"), or for a regression the usual error at that height of score (the same project's direct
loss estimation).

It sees a night of other scores than usual, and is blind to outcomes that no longer follow the scores as they did; how
far off it was is what :mod:`pipeline.stages.monitor.concept` watches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipeline.job import Job
from pipeline.monitoring import CalibrationBin, Estimate, Graded, Observed, Signal
from pipeline.stages.evaluate import PRIMARY_METRIC
from pipeline.stages.evaluate.metrics import CALIBRATION_BINS, BusinessCost, Task, compute_row_losses
from pipeline.stages.monitor.limits import learn_upper
from pipeline.stages.monitor.outcomes import PRIMARY, UNITS
from pipeline.stages.monitor.usual import find_signal, judge_high
from pipeline.stages.sustained import holds_often

ESTIMATE = "accuracy.estimate"

_SURE = 1e-6
"""A score no further than this from 0 or 1 has the log-odds of one that is as far: those of 0 are infinite."""

_UNBOUND = 1e6
"""A penalty too weak to be seen beside a hundred rows; it only keeps the line finite where no outcome ever occurred."""


@dataclass(frozen=True)
class ScoreCounts:
    """The scores of a night: every distinct one, in rising order, and how many rows have it.

    Scores are rounded, so a night has no more distinct ones than its range has steps.
    """

    scores: np.ndarray
    rows: np.ndarray

    def average(self, values: np.ndarray) -> float:
        """The mean over the rows of a value of each score."""
        return float(np.average(values, weights=self.rows))


@dataclass(frozen=True)
class Trial:
    """An estimate that was held against the labels, beside the naive one: the mean of what was realised before."""

    realised: float
    estimated: float
    naive: float


def count_scores(shards: Iterable[np.ndarray]) -> ScoreCounts:
    """Count the scores of one shard after the other; there must be some."""
    counted = [pd.Series(shard).value_counts() for shard in shards]
    merged = pd.concat(counted).groupby(level=0).sum()
    return ScoreCounts(merged.index.to_numpy("float64"), merged.to_numpy("int64"))


def estimate_metrics(
    task: Task, counts: ScoreCounts, calibration: Sequence[CalibrationBin], business_cost: BusinessCost | None
) -> dict[str, float]:
    """Expected metrics of a night with these scores, by the names of :func:`pipeline.stages.evaluate.compute_metrics`.

    Args:
        calibration: bins of past nights; one or more.
        business_cost: the job's own, of each row; of a regression it has no expectation here.

    Returns:
        ``positive_share``, ``auc``, ``log_loss``, ``brier`` and
        ``business_cost``; for a regression ``rmse`` and ``mae``.
    """
    if task == "regression":
        squared, absolute = (_smooth(counts.scores, calibration, name) for name in ("squared_error", "absolute_error"))
        return {"rmse": float(np.sqrt(counts.average(squared))), "mae": counts.average(absolute)}
    likely = _calibrate(counts.scores, calibration)
    scores, ones = pd.Series(counts.scores), pd.Series(np.ones(len(counts.scores)))

    def expect(if_not: np.ndarray, if_so: np.ndarray) -> float:
        return counts.average((1 - likely) * if_not + likely * if_so)

    metrics = {
        "positive_share": counts.average(likely),
        "auc": _expect_auc(counts, likely),
        "log_loss": expect(*(compute_row_losses(task, ones * outcome, scores) for outcome in (0, 1))),
        "brier": expect(np.square(counts.scores), np.square(1 - counts.scores)),
    }
    if business_cost is not None:
        costs = [np.asarray(business_cost(ones * outcome, scores), dtype="float64") for outcome in (0, 1)]
        metrics["business_cost"] = expect(*costs)
    return metrics


def find_known(job: Job, partition: str) -> str:
    """The newest partition whose labels have closed by the cutoff of ``partition``."""
    return (date.fromisoformat(partition) - timedelta(days=job.label.closes_after)).isoformat()


def list_judged(graded: Sequence[Graded]) -> list[Graded]:
    """The nights whose accuracy counts."""
    return [
        night
        for night in graded
        if (signal := find_signal(night, PRIMARY)) is not None and signal.teaches and signal.value is not None
    ]


def object_to_estimates(job: Job, judged: Sequence[Graded]) -> str | None:
    """Why estimates are not to be believed, by how they did on the newest nights that have labels; None if they are.

    Args:
        judged: nights whose accuracy counts, oldest first; twice as many as ``monitoring.history``, if there are.
    """
    watched, trials = job.monitoring, _list_trials(job, judged)[-job.monitoring.history :]
    if len(trials) < watched.minimum:
        return f"estimates were held against labels on {len(trials)} nights; {watched.minimum} are needed"
    errors = np.array([abs(trial.realised - trial.estimated) for trial in trials])
    naive = np.mean([abs(trial.realised - trial.naive) for trial in trials])
    if errors.mean() >= naive:
        own, other = f"{errors.mean():.4g}", f"{naive:.4g}"
        return f"off by {own} on average over {len(trials)} nights; the mean of the nights before is off by {other}"
    limit = learn_upper(errors[: -watched.n].tolist(), watched.false_alarms)
    if limit is not None and holds_often([bool(error > limit) for error in errors], watched.k, watched.n):
        return f"off by more than {limit:.4g} on {watched.k} or more of the newest {watched.n} nights that have labels"
    return None


def judge_estimate(job: Job, estimate: Estimate | None, past: Sequence[Observed]) -> Signal:
    """The estimated primary metric beside the estimates of the nights before.

    Args:
        past: the nights that limits are learnt from; those without an estimate are passed over.
    """
    unit, metric = UNITS[job.task], PRIMARY_METRIC[job.task]
    if estimate is None:
        return Signal(name=ESTIMATE, value=None, unit=unit, muted=f"fewer than {job.monitoring.minimum} graded nights")
    usual = [night.estimate.metrics[metric] for night in past if night.estimate]
    signal = judge_high(ESTIMATE, estimate.metrics[metric], usual, job.monitoring, unit=unit)
    if estimate.muted is None:
        return signal
    return signal.model_copy(update={"muted": estimate.muted, "waiting": False, "breached": False})


def _calibrate(scores: np.ndarray, calibration: Sequence[CalibrationBin]) -> np.ndarray:
    """How likely the outcome is at each score, as the bins of past nights have it.

    A curve of two parameters goes on beyond the scores that it was learnt from, where a free one would end flat.
    """
    from sklearn.linear_model import LogisticRegression

    means, shares, rows = (
        np.array([getattr(each, name) for each in calibration]) for name in ("mean_score", "mean_label", "rows")
    )
    outcomes = np.repeat([0.0, 1.0], len(rows))
    weights = np.concatenate([rows * (1 - shares), rows * shares])
    curve = LogisticRegression(C=_UNBOUND).fit(np.tile(_to_log_odds(means), (2, 1)).reshape(-1, 1), outcomes, weights)
    return np.asarray(curve.predict_proba(_to_log_odds(scores).reshape(-1, 1))[:, 1])


def _to_log_odds(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(scores, _SURE, 1 - _SURE)
    return np.asarray(np.log(inside / (1 - inside)))


def _smooth(scores: np.ndarray, calibration: Sequence[CalibrationBin], error: str) -> np.ndarray:
    """The usual error at each score: bins of past nights in the order of their scores, averaged in ten groups."""
    in_order = sorted(calibration, key=lambda each: each.mean_score)
    means, errors, rows = (
        np.array([getattr(each, name) for each in in_order], dtype="float64") for name in ("mean_score", error, "rows")
    )
    groups = np.array_split(np.arange(len(in_order)), min(CALIBRATION_BINS, len(in_order)))
    centres, levels = (
        [np.average(values[group], weights=rows[group]) for group in groups] for values in (means, errors)
    )
    return np.asarray(np.interp(scores, centres, levels))


def _expect_auc(counts: ScoreCounts, likely: np.ndarray) -> float:
    """Share of pairs of a positive and a negative that the scores put in order, ties half, in expectation.

    The ratio of two expectations stands for the expectation of their ratio: the difference is of the order of one row.
    """
    positives, negatives = counts.rows * likely, counts.rows * (1 - likely)
    in_order = (positives * (np.cumsum(negatives) - negatives / 2)).sum()
    return float(in_order / (positives.sum() * negatives.sum()))


def _list_trials(job: Job, judged: Sequence[Graded]) -> list[Trial]:
    """Every estimate that was graded, beside the mean over the nights that it was learnt from."""
    metric, trials = PRIMARY_METRIC[job.task], []
    for night in judged:
        known = find_known(job, night.partition)
        before = [other.metrics[metric] for other in judged if other.partition <= known][-job.monitoring.history :]
        if before and metric in night.estimated:
            trials.append(Trial(night.metrics[metric], night.estimated[metric], float(np.mean(before))))
    return trials
