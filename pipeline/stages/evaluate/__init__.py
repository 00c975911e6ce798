"""Evaluate: how good scores were, and whether a challenger may become champion."""

from pipeline.stages.evaluate.bootstrap import Interval, bootstrap_difference, bootstrap_mean
from pipeline.stages.evaluate.gate import Check, Comparison, SegmentDifference, Verdict, judge_challenger
from pipeline.stages.evaluate.leakage import measure_features
from pipeline.stages.evaluate.metrics import (
    PRIMARY_METRIC,
    Task,
    compute_metrics,
    compute_row_losses,
    split_by_score,
    to_metric,
)

__all__ = [
    "PRIMARY_METRIC",
    "Check",
    "Comparison",
    "Interval",
    "SegmentDifference",
    "Task",
    "Verdict",
    "bootstrap_difference",
    "bootstrap_mean",
    "compute_metrics",
    "compute_row_losses",
    "judge_challenger",
    "measure_features",
    "split_by_score",
    "to_metric",
]
