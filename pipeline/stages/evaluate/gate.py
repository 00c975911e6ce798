"""The promotion gate: what a challenger has to show before it may serve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.job import PromotionGate
from pipeline.stages.evaluate.bootstrap import Interval
from pipeline.stages.evaluate.metrics import PRIMARY_METRIC, Task


@dataclass(frozen=True)
class SegmentDifference:
    """Two models on the rows of one segment.

    Attributes:
        column, value: of the segment.
        interval: of the difference; its confidence allows for the number of segments.
    """

    column: str
    value: str
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same rows.

    Attributes:
        champion: its metrics; None if there is none, or it can no longer score.
        interval: of the difference in the primary metric; None without a champion.
        is_same: both give every row the same score.
        unusable: why the champion can no longer score; None if it can, or if there is none.
        feature_power: how well each feature alone tells the outcome, as :func:`measure_features` has it.
    """

    task: Task
    challenger: Mapping[str, float]
    champion: Mapping[str, float] | None = None
    interval: Interval | None = None
    is_same: bool = False
    unusable: str | None = None
    segments: Sequence[SegmentDifference] = ()
    feature_power: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One question to a challenger.

    Attributes:
        words: question and answer in one sentence, with the numbers and without values of upstream's rows.
    """

    name: str
    passed: bool
    words: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return dict(vars(self))


@dataclass(frozen=True)
class Verdict:
    """What the gate says: whether to promote, why in one sentence, and every check."""

    promote: bool
    why: str
    checks: tuple[Check, ...]


def judge_challenger(comparison: Comparison, gate: PromotionGate) -> Verdict:
    """Promote what is better, or not worse than the margin allows, in no segment worse, calibrated and free of leaks.

    A tie keeps the champion.  Without a champion there is nothing to be better than, and only what can be judged alone
    is.
    """
    checks = tuple(_ask(comparison, gate))
    failed = [check for check in checks if not check.passed]
    if failed:
        return Verdict(False, "; ".join(check.words for check in failed), checks)
    return Verdict(True, checks[0].words, checks)


def _ask(comparison: Comparison, gate: PromotionGate) -> Iterator[Check]:
    yield _ask_overall(comparison, gate)
    if comparison.champion is not None:
        yield _ask_segments(comparison, gate)
    yield _ask_calibration(comparison, gate)
    yield _ask_leakage(comparison, gate)


def _ask_overall(comparison: Comparison, gate: PromotionGate) -> Check:
    metric = PRIMARY_METRIC[comparison.task]
    new = comparison.challenger[metric]
    if comparison.champion is None or comparison.interval is None:
        why = comparison.unusable or "there is no champion to compare with"
        return Check("overall", True, f"{why}; the challenger's {metric} is {new:.5f}")
    numbers = (
        f"{metric} of the challenger is {new:.5f}, of the champion {comparison.champion[metric]:.5f}, difference "
        f"{comparison.interval.describe()}"
    )
    if comparison.is_same:
        return Check(
            "overall", False, f"a tie, which keeps the champion: both give every row the same score; {numbers}"
        )
    if comparison.interval.high <= 0:
        return Check("overall", True, f"better than the champion: {numbers}")
    if comparison.interval.high <= gate.margin:
        return Check("overall", True, f"not worse than the margin of {gate.margin:g} allows: {numbers}")
    return Check("overall", False, f"may be worse than the margin of {gate.margin:g} allows: {numbers}")


def _ask_segments(comparison: Comparison, gate: PromotionGate) -> Check:
    worse = [segment for segment in comparison.segments if segment.interval.low > gate.margin]
    if not worse:
        count = len(comparison.segments)
        return Check("segments", True, f"significantly worse in none of {count} segments")
    worst = max(worse, key=lambda segment: segment.interval.low)
    words = f"significantly worse in {len(worse)} of {len(comparison.segments)} segments, most of all in one of "
    return Check("segments", False, f"{words}{worst.column}: {worst.interval.describe()}")


def _ask_calibration(comparison: Comparison, gate: PromotionGate) -> Check:
    found, limit = comparison.challenger["calibration_error"], gate.max_calibration_error
    if limit is None:
        return Check("calibration", True, f"calibration error {found:.4f}, which the job sets no limit to")
    if found <= limit:
        return Check("calibration", True, f"calibrated: error {found:.4f} (limit {limit:g})")
    old = None if comparison.champion is None else comparison.champion["calibration_error"]
    if old is not None and found <= old:
        words = f"calibration error {found:.4f} is beyond {limit:g}, but the champion's {old:.4f} is no smaller"
        return Check("calibration", True, words)
    return Check("calibration", False, f"not calibrated: error {found:.4f} (limit {limit:g})")


def _ask_leakage(comparison: Comparison, gate: PromotionGate) -> Check:
    suspects = {name: power for name, power in comparison.feature_power.items() if power > gate.max_feature_power}
    measure = "AUC" if comparison.task == "binary" else "R²"
    if suspects:
        listed = ", ".join(f"{name} ({power:.3f})" for name, power in suspects.items())
        words = f"leakage: alone, these features tell the outcome with {measure} beyond {gate.max_feature_power:g}: "
        return Check("leakage", False, words + listed)
    best = max(comparison.feature_power.items(), key=lambda item: item[1], default=None)
    told = "" if best is None else f"; the strongest, {best[0]}, tells it with {measure} {best[1]:.3f}"
    return Check("leakage", True, f"no feature alone tells the outcome{told}")
