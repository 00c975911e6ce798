"""What is unusual about a night's predictions.

A value counts only if it is beyond what the nights before it were, and beyond what so few rows give by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy as np

from pipeline.job.monitoring import Monitoring
from pipeline.monitoring import Observed, Outputs, Part, SegmentOutputs, Signal
from pipeline.stages.monitor.distances import expect_psi, measure_p_value, measure_psi
from pipeline.stages.monitor.drift import SHOWN
from pipeline.stages.monitor.limits import learn_band, learn_upper
from pipeline.stages.monitor.unusual import Unusual, compare_night, count_needed, describe_waiting


@dataclass(frozen=True)
class _Limits:
    """What is usual; None while that is not known.

    Attributes:
        by_chance: whether so few rows explain what is beyond it.
    """

    lower: float | None = None
    upper: float | None = None
    by_chance: bool = False


def judge_outputs(outputs: Outputs, past: Sequence[Observed], limits: Monitoring) -> tuple[Signal, ...]:
    """The signals of a night's predictions.

    Args:
        past: the nights before, oldest first, as many as limits are learnt from.
    """
    nights = [night.outputs for night in past]
    signals = [
        _judge_drift(outputs, past, limits),
        _judge_mean(outputs, nights, limits),
        _judge_share(outputs, nights, limits),
        _judge_concentration(outputs, nights, limits),
        _judge_segments(outputs, nights, limits),
    ]
    return tuple(signal for signal in signals if signal is not None)


def _judge_drift(outputs: Outputs, past: Sequence[Observed], limits: Monitoring) -> Signal:
    """The population stability index beside all the nights before, less what chance alone gives."""
    name, tonight = "outputs.drift", outputs.distribution
    alike = [night for night in past if night.outputs.distribution.edges == tonight.edges]
    if not alike:
        return Signal(name=name, value=None, muted="there is no night before to compare with")
    pooled = np.sum([night.outputs.distribution.counts for night in alike], axis=0)
    value = max(0.0, measure_psi(tonight.counts, pooled) - expect_psi(tonight.counts, pooled)[0])
    before = [signal.value for night in alike for signal in night.signals if signal.name == name]
    known = [value for value in before if value is not None]
    upper = learn_upper(known, limits.false_alarms) if len(known) >= _count_needed(limits) else None
    by_chance = measure_p_value(tonight.counts, pooled) > limits.false_alarms
    return _make_signal(name, value, _Limits(None, upper, by_chance), len(known), outputs.rows, limits)


def _judge_mean(outputs: Outputs, nights: Sequence[Outputs], limits: Monitoring) -> Signal:
    known = [night.mean for night in nights]
    band = _learn_band(known, _usual_std(nights), outputs.rows, nights, limits)
    return _make_signal("outputs.mean", outputs.mean, band, len(known), outputs.rows, limits)


def _judge_share(outputs: Outputs, nights: Sequence[Outputs], limits: Monitoring) -> Signal | None:
    if outputs.share_above is None:
        return None
    known = [night.share_above for night in nights if night.share_above is not None]
    std = _deviate(median(known), outputs.rows) if known else 0.0
    band = _learn_band(known, std, outputs.rows, nights, limits)
    return _make_signal("outputs.share_above", outputs.share_above, band, len(known), outputs.rows, limits, "share")


def _learn_band(
    known: Sequence[float], std: float, rows: int, nights: Sequence[Outputs], limits: Monitoring
) -> _Limits:
    """Where the mean of tonight's rows is usual: wider if they are fewer than usual, as chance is larger then.

    Args:
        std: of the rows that it is the mean of.
    """
    band = learn_band(known, limits.false_alarms) if len(known) >= _count_needed(limits) else None
    if band is None:
        return _Limits()
    more = max(0.0, 1 / rows - 1 / median(night.rows for night in nights))
    chance, centre = _find_quantile(limits.false_alarms / 2) * std * math.sqrt(more), median(known)
    return _Limits(centre - math.hypot(centre - band.lower, chance), centre + math.hypot(band.upper - centre, chance))


def _judge_concentration(outputs: Outputs, nights: Sequence[Outputs], limits: Monitoring) -> Signal:
    """Chance is allowed for as many different predictions as there are rows (Bonferroni)."""
    rows, known = outputs.rows, [night.concentration for night in nights]
    upper, by_chance = None, False
    if len(known) >= _count_needed(limits):
        upper = learn_upper(known, limits.false_alarms)
        error = _deviate(median(known), rows) / math.sqrt(rows)
        by_chance = outputs.concentration - median(known) <= _find_quantile(limits.false_alarms / rows) * error
    found = _Limits(None, upper, by_chance)
    return _make_signal("outputs.concentration", outputs.concentration, found, len(known), rows, limits, "share")


def _judge_segments(outputs: Outputs, nights: Sequence[Outputs], limits: Monitoring) -> Signal | None:
    """The segment whose mean is most unusual, among all segments."""
    if not outputs.segments:
        return None
    past = [{item.segment: item.mean for item in night.segments} for night in nights if night.segments]
    noise = {item.segment: _usual_std(nights) / math.sqrt(item.rows) for item in outputs.segments}
    unusual = compare_night(
        {item.segment: item.mean for item in outputs.segments},
        past,
        noise=noise,
        needed=_count_needed(limits),
        false_alarms=limits.false_alarms,
        two_sided=True,
    )
    parts = sorted(unusual.scores, key=lambda name: -unusual.scores[name])
    by_chance = not any(
        _is_significant(item, past, noise, unusual, limits.false_alarms)
        for item in outputs.segments
        if _is_beyond(unusual, item.segment)
    )
    signal = _make_signal(
        "outputs.segments",
        unusual.largest,
        _Limits(None, unusual.limit, by_chance),
        unusual.nights,
        outputs.rows,
        limits,
    )
    worst = tuple(Part(name=name, value=unusual.scores[name], limit=unusual.limit) for name in parts[:SHOWN])
    return signal.model_copy(update={"worst": worst})


def _is_beyond(unusual: Unusual, segment: str) -> bool:
    return unusual.limit is not None and unusual.scores.get(segment, 0.0) > unusual.limit


def _is_significant(
    item: SegmentOutputs,
    past: Sequence[dict[str, float]],
    noise: dict[str, float],
    unusual: Unusual,
    false_alarms: float,
) -> bool:
    usual = median(night[item.segment] for night in past if item.segment in night)
    return abs(item.mean - usual) > _find_quantile(false_alarms / 2 / len(unusual.scores)) * noise[item.segment]


def _make_signal(
    name: str, value: float | None, found: _Limits, nights: int, rows: int, limits: Monitoring, unit: str = ""
) -> Signal:
    is_beyond = value is not None and (
        (found.lower is not None and value < found.lower) or (found.upper is not None and value > found.upper)
    )
    muted = None
    if found.upper is None:
        muted = describe_waiting(nights, limits)
    elif is_beyond and found.by_chance:
        muted = f"chance gives as much of {rows} rows"
    return Signal(
        name=name,
        value=value,
        lower=found.lower,
        upper=found.upper,
        unit=unit,
        breached=is_beyond and not found.by_chance,
        muted=muted,
        nights=nights,
    )


def _usual_std(nights: Sequence[Outputs]) -> float:
    """Standard deviation of predictions on an ordinary night; 0 if there was none."""
    return median(night.std for night in nights) if nights else 0.0


def _deviate(share: float, rows: int) -> float:
    """Standard deviation of a row that has something with the probability ``share``; that of one row at the least."""
    likely = min(max(share, 1 / rows), 1 - 1 / rows) if rows > 1 else 0.5
    return math.sqrt(likely * (1 - likely))


def _find_quantile(tail: float) -> float:
    """Standard deviations beyond which a normal distribution has no more than ``tail`` on one side."""
    return NormalDist().inv_cdf(1 - tail)


def _count_needed(limits: Monitoring) -> int:
    return count_needed(limits.minimum, limits.false_alarms)
