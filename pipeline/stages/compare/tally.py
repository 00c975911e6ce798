"""Tallies: exact, mergeable counts of how two generations differ, made shard by shard in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.job import Job

ENTITY_ID = "entity_id"
PREDICTION = "prediction"
NO_SEGMENT = "(none)"
"""Name of the segment of entities whose segment column is empty."""

STEPS = 1000
"""Steps of the score range that the distributions are counted in."""

Segment = tuple[str, str]
"""A segment column and a value of it; both empty for the generation as a whole."""

OVERALL: Segment = ("", "")


@dataclass(frozen=True)
class Scores:
    """What two generations are compared by.

    Attributes:
        low, high: the range of scores.
        threshold: score from which an entity is decided upon; None where nothing is decided.
        segments: columns by which the counts are split.
    """

    low: float
    high: float
    threshold: float | None
    segments: tuple[str, ...]

    @classmethod
    def of(cls, job: Job) -> Scores:
        """As the job declares it."""
        return cls(*job.score_range, job.decision_threshold, job.segments)


@dataclass
class _Count:
    """Counts of one segment.  A sum of scores is a float: it is shown, and nothing is decided by it."""

    before: int = 0
    after: int = 0
    lost: int = 0
    gained: int = 0
    flipped: int = 0
    decided_before: int = 0
    decided_after: int = 0
    sum_before: float = 0.0
    sum_after: float = 0.0
    steps_before: np.ndarray = field(default_factory=lambda: np.zeros(STEPS + 1, dtype=np.int64))
    steps_after: np.ndarray = field(default_factory=lambda: np.zeros(STEPS + 1, dtype=np.int64))

    def add(self, other: _Count) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class Difference:
    """How two generations differ, as a whole or within one segment.

    Attributes:
        column, value: of the segment; both empty for the whole.
        before, after: entities of either generation.
        lost: entities of the earlier one that the later one lacks.
        gained: entities of the later one that the earlier one lacks.
        flipped: entities in both that are decided otherwise; None where nothing is decided.
        mean_before, mean_after: of the scores; None where there are none.
        decided_before, decided_after: shares of entities at or above the threshold; None likewise.
        shift: distance of the two distributions (Kolmogorov-Smirnov, counted in steps of a thousandth of the score
            range): no decision threshold on a step could change the share of decisions by more.  None where one of
            them is empty.
    """

    column: str
    value: str
    before: int
    after: int
    lost: int
    gained: int
    flipped: int | None
    mean_before: float | None
    mean_after: float | None
    decided_before: float | None
    decided_after: float | None
    shift: float | None

    @property
    def both(self) -> int:
        """Entities in both."""
        return self.before - self.lost

    @property
    def lost_share(self) -> float | None:
        """Share of the earlier generation's entities that were lost."""
        return self.lost / self.before if self.before else None

    @property
    def shrunk_share(self) -> float | None:
        """How much smaller the later generation is: what can be said of a loss where ids do not come back."""
        return max(0, self.before - self.after) / self.before if self.before else None

    @property
    def flipped_share(self) -> float | None:
        """Share of the entities in both whose decision differs."""
        return None if self.flipped is None or not self.both else self.flipped / self.both

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, with the shares."""
        return vars(self) | {
            "shrunk_share": self.shrunk_share,
            "lost_share": self.lost_share,
            "flipped_share": self.flipped_share,
        }


class Tally:
    """Counts by segment; tallies of shards are added up."""

    def __init__(self, by: Scores) -> None:
        self._by = by
        self._counts: dict[Segment, _Count] = {OVERALL: _Count()}

    def add(self, segment: Segment, count: _Count) -> None:
        """Add the counts of one segment."""
        self._counts.setdefault(segment, _Count()).add(count)

    def merge(self, other: Tally) -> None:
        """Add another shard's counts."""
        for segment, count in other._counts.items():
            self.add(segment, count)

    @property
    def overall(self) -> Difference:
        """The generations as a whole."""
        return self._describe(OVERALL)

    @property
    def segments(self) -> list[Difference]:
        """Every segment, by column and value."""
        return [self._describe(segment) for segment in sorted(self._counts) if segment != OVERALL]

    def histograms(self, bars: int) -> tuple[list[int], list[int]]:
        """How many entities of either generation fall into each of ``bars`` equal parts of the score range."""
        count = self._counts[OVERALL]
        ends = np.arange(STEPS + 1) * bars // (STEPS + 1)
        before, after = (
            np.bincount(ends, weights=steps, minlength=bars) for steps in (count.steps_before, count.steps_after)
        )
        return before.astype(int).tolist(), after.astype(int).tolist()

    def _describe(self, segment: Segment) -> Difference:
        count, decides = self._counts[segment], self._by.threshold is not None
        return Difference(
            column=segment[0],
            value=segment[1],
            before=count.before,
            after=count.after,
            lost=count.lost,
            gained=count.gained,
            flipped=count.flipped if decides else None,
            mean_before=_share(count.sum_before, count.before),
            mean_after=_share(count.sum_after, count.after),
            decided_before=_share(count.decided_before, count.before) if decides else None,
            decided_after=_share(count.decided_after, count.after) if decides else None,
            shift=_measure_shift(count.steps_before, count.steps_after),
        )


def tally_scores(before: pd.DataFrame, after: pd.DataFrame, by: Scores) -> Tally:
    """Count how the entities of one shard differ.

    Args:
        before, after: columns ``entity_id``, ``prediction`` and those of ``by.segments``, one row an entity.  An entity
            in both is counted under the segment that it has in each.
    """
    tally = Tally(by)
    joined = before[[ENTITY_ID, PREDICTION]].merge(
        after[[ENTITY_ID, PREDICTION]], on=ENTITY_ID, how="inner", suffixes=("_before", "_after"), validate="one_to_one"
    )
    flipped: set[str] = set()
    if by.threshold is not None:
        is_flipped = (joined["prediction_before"] >= by.threshold) != (joined["prediction_after"] >= by.threshold)
        flipped = set(joined.loc[is_flipped, ENTITY_ID])
    shared = set(joined[ENTITY_ID])
    _count_side(tally, before, by, shared, flipped, "before")
    _count_side(tally, after, by, shared, set(), "after")
    return tally


def _count_side(tally: Tally, frame: pd.DataFrame, by: Scores, shared: set[str], flipped: set[str], side: str) -> None:
    scores = frame[PREDICTION].to_numpy("float64")
    steps = np.floor((scores - by.low) / (by.high - by.low) * STEPS + 1e-9).clip(0, STEPS).astype(np.int64)
    is_shared = frame[ENTITY_ID].isin(shared).to_numpy()
    is_flipped = frame[ENTITY_ID].isin(flipped).to_numpy()
    decided = scores >= by.threshold if by.threshold is not None else np.zeros(len(scores), dtype=bool)
    for segment, rows in iterate_segments(frame, by.segments):
        counts: dict[str, Any] = {
            side: int(rows.sum()),
            f"decided_{side}": int(decided[rows].sum()),
            f"sum_{side}": float(scores[rows].sum()),
            f"steps_{side}": np.bincount(steps[rows], minlength=STEPS + 1),
            ("lost" if side == "before" else "gained"): int((rows & ~is_shared).sum()),
            "flipped": int((rows & is_flipped).sum()),
        }
        tally.add(segment, _Count(**counts))


def iterate_segments(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Segment, np.ndarray]]:
    """The rows as a whole, then every value of every column: the segment, and which rows are of it (booleans)."""
    yield OVERALL, np.ones(len(frame), dtype=bool)
    for column in columns:
        values = frame[column].astype("object").where(frame[column].notna(), NO_SEGMENT).astype(str)
        codes, names = pd.factorize(values)
        for code, name in enumerate(names):
            yield (column, str(name)), codes == code


def _measure_shift(before: np.ndarray, after: np.ndarray) -> float | None:
    if not before.sum() or not after.sum():
        return None
    distance = np.abs(np.cumsum(before) / before.sum() - np.cumsum(after) / after.sum()).max()
    return round(float(distance), 6)


def _share(part: float, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
