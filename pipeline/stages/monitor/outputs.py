"""Outputs: the predictions of a night, counted shard by shard in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.job import Job
from pipeline.monitoring import Distribution, Observed, Outputs, SegmentOutputs
from pipeline.stages.column_profiles import NumberProfile, profile_column

PREDICTION = "prediction"
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}

_BINS = 20
_NO_SEGMENT = "(none)"
_MOST_CANDIDATES = 1000


@dataclass
class _Segment:
    rows: int = 0
    total: float = 0.0
    above: int = 0


@dataclass
class OutputTally:
    """What is counted of a night's predictions, a shard after the other.

    Attributes:
        repeated: the most frequent predictions of each shard.  One that a hundredth of all rows has is among them;
            of those that hardly repeat, the count may be too small.
    """

    job: Job
    edges: tuple[float, ...]
    numbers: NumberProfile = field(default_factory=NumberProfile)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    above: int = 0
    repeated: Counter[float] = field(default_factory=Counter)
    segments: dict[str, _Segment] = field(default_factory=dict)

    def add(self, frame: pd.DataFrame) -> None:
        """Count a shard: ``prediction``, and the job's segment columns."""
        scores = frame[PREDICTION].to_numpy("float64")
        profile = profile_column(frame[PREDICTION])
        assert isinstance(profile, NumberProfile)  # noqa: S101 - predictions are numbers
        self.numbers = self.numbers.merge(profile)
        places = np.searchsorted(self.edges[1:-1], scores, side="right")
        counted = np.bincount(places, minlength=len(self.edges) - 1)
        self.counts = counted + self.counts if len(self.counts) else counted
        is_above = self._find_above(scores)
        self.above += int(is_above.sum())
        values, times = np.unique(scores, return_counts=True)
        most = np.argsort(-times, kind="stable")[:_MOST_CANDIDATES]
        self.repeated.update(dict(zip(values[most].tolist(), times[most].tolist(), strict=True)))
        for name, rows in _find_segments(frame, self.job.segments):
            segment = self.segments.setdefault(name, _Segment())
            segment.rows += len(rows)
            segment.total += float(scores[rows].sum())
            segment.above += int(is_above[rows].sum())

    def describe(self) -> Outputs:
        """The record of the night.  Segments of fewer rows than the promotion gate judges are left out."""
        rows, decides = self.numbers.count, self.job.decision_threshold is not None
        enough = self.job.training.gate.min_segment
        return Outputs(
            rows=rows,
            mean=self.numbers.mean(),
            std=self.numbers.std(),
            quantiles={name: self.numbers.quantile(share) for name, share in QUANTILES.items()},
            share_above=self.above / rows if decides else None,
            concentration=max(self.repeated.values()) / rows,
            distribution=Distribution(edges=self.edges, counts=tuple(self.counts.tolist())),
            segments=tuple(
                SegmentOutputs(
                    segment=name,
                    rows=found.rows,
                    mean=found.total / found.rows,
                    share_above=found.above / found.rows if decides else None,
                )
                for name, found in sorted(self.segments.items())
                if found.rows >= enough
            ),
        )

    def _find_above(self, scores: np.ndarray) -> np.ndarray:
        threshold = self.job.decision_threshold
        return scores >= threshold if threshold is not None else np.zeros(len(scores), dtype=bool)


def recall_edges(job: Job, past: Sequence[Observed]) -> tuple[float, ...] | None:
    """Edges that every night is counted over: those of the night before, so that they stay what they were.

    Probabilities have 20 bins of equal width, from the first night on.  Of other tasks the range says little of where
    scores are; None if no night says more.
    """
    known = [night.outputs.distribution.edges for night in past]
    if job.task == "binary":
        low, high = job.score_range
        return tuple(np.linspace(low, high, _BINS + 1).tolist())
    return next((edges for edges in reversed(known) if len(edges) > 2), None)


def learn_edges(predictions: Sequence[NumberProfile]) -> tuple[float, ...]:
    """Edges of bins of about as many rows each.  What is beyond the first or last one later counts in the end bins.

    Args:
        predictions: profiles of the shards of a night.
    """
    whole = NumberProfile()
    for profile in predictions:
        whole = whole.merge(profile)
    inner = {whole.quantile(number / _BINS) for number in range(1, _BINS)}
    ends = (float(whole.minimum or 0.0), float(whole.maximum or 0.0))
    return (ends[0], *sorted(edge for edge in inner if ends[0] < edge < ends[1]), ends[1])


def _find_segments(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Names of segments such as ``origin=JFK``, and the positions of their rows."""
    for column in columns:
        values = frame[column].astype("object").where(frame[column].notna(), _NO_SEGMENT).astype(str)
        for value, rows in pd.Series(np.arange(len(values))).groupby(values.to_numpy()):
            yield f"{column}={value}", rows.to_numpy()
