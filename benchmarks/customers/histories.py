"""The customers job with histories of several lengths behind the same twelve trailing features."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.customers.feature_set import AMOUNT, FEATURES, RETURNED
from benchmarks.customers.job import JOB, NIGHT
from features.declarations import FeatureSet, Trailing
from pipeline.job import Job

WINDOWS = {7: (1, 3, 7), 28: (1, 7, 28), 90: (1, 30, 90)}
"""Windows in days, by days of history."""


SHARDS = 8


def reach_back(history: int) -> Job:
    """The job over so many days, without suites and in fewer shards: features alone are measured, of fewer entities."""
    sources = tuple(source.model_copy(update={"suite": None, "shards": SHARDS}) for source in JOB.sources)
    changes = {
        "feature_set": f"{__name__}:FEATURES_{history}",
        "first_partition": NIGHT - timedelta(days=history - 1),
        "sources": sources,
    }
    return JOB.model_copy(update=changes)


def _make_feature_set(windows: tuple[int, ...]) -> FeatureSet:
    return FeatureSet(
        name=FEATURES.name,
        version=FEATURES.version,
        row_functions=FEATURES.row_functions,
        features=FEATURES.features,
        trailing=(
            Trailing(AMOUNT, windows=windows, function="count"),
            Trailing(AMOUNT, windows=windows, function="sum"),
            Trailing(AMOUNT, windows=windows, function="mean"),
            Trailing(RETURNED, windows=windows, smoothing=2.0),
        ),
    )


FEATURES_7, FEATURES_28, FEATURES_90 = (_make_feature_set(windows) for windows in WINDOWS.values())
