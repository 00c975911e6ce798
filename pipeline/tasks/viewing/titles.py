"""What signals are called for people."""

from __future__ import annotations

from pipeline.job import Job

_PRIMARY = {"binary": "log loss", "regression": "RMSE"}

_TITLES = {
    "inputs.drift": "Drift from the training reference",
    "inputs.weekday_drift": "Drift from the same weekday",
    "outputs.drift": "Drift of the scores",
    "outputs.mean": "Mean prediction",
    "outputs.share_above": "Share at or above the threshold",
    "outputs.concentration": "Largest share of one prediction",
    "outputs.segments": "Most unusual segment",
    "operations.seconds": "Duration of the stages",
    "operations.memory": "Peak memory of a stage",
    "operations.retries": "Retries",
    "operations.quarantine": "Share of rows in quarantine",
    "operations.latency": "Slowest reads (p99)",
    "operations.read_errors": "Reads that failed",
    "operations.age": "Age of what is live",
    "operations.missing": "A night that did not run",
    "operations.unreadable": "What is live cannot be read",
    "accuracy.primary": "Realised {metric}",
    "accuracy.segments": "Segment with the most unusual {metric}",
    "accuracy.calibration": "Calibration error",
    "accuracy.estimate": "Estimated {metric}, before labels",
    "accuracy.concept": "Realised less estimated {metric}",
}


def name_signals(job: Job) -> dict[str, str]:
    """The title of every signal, by name."""
    return {name: title.format(metric=_PRIMARY[job.task]) for name, title in _TITLES.items()}
