"""Drift: how far tonight's features are from those that the model was trained on, and from the weeks before.

The signal of a comparison is the unusualness of the feature that is furthest out, beside that of the nights before.  A
feature is beyond the limit only if chance does not explain it either: of few rows, every distribution looks different.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.job.monitoring import Monitoring
from pipeline.monitoring import FeatureDrift, Observed, Part, Signal
from pipeline.stages.monitor.bins import Counts
from pipeline.stages.monitor.distances import (
    choose_significant,
    expect_psi,
    measure_jensen_shannon,
    measure_p_value,
    measure_psi,
)
from pipeline.stages.monitor.unusual import Unusual, compare_night, count_needed, describe_waiting

Comparison = Literal["reference", "weekday"]

SIGNALS: dict[Comparison, str] = {"reference": "inputs.drift", "weekday": "inputs.weekday_drift"}

SHOWN = 5
"""Parts that a signal names, those furthest out."""


@dataclass(frozen=True)
class Drift:
    """The signal of a comparison, and every feature, the worst first."""

    signal: Signal
    features: tuple[FeatureDrift, ...]


@dataclass(frozen=True)
class _Measured:
    """One feature of tonight beside its counts elsewhere; ``psi`` less what chance alone gives."""

    psi: float
    noise: float
    jensen_shannon: float
    p_value: float


def compare_inputs(
    against: Comparison, tonight: Counts, others: Counts, past: Sequence[Observed], limits: Monitoring
) -> Drift:
    """Compare tonight's counts with others over the same bins.

    The limit is learnt from what the nights before were found to differ by.  After a promotion those were differences
    from another model's reference: how much ordinary nights differ from what a model was trained on, whichever it was.

    Args:
        past: the nights before, oldest first, as many as limits are learnt from.
    """
    measured = {name: _measure(tonight.features[name], others.features[name]) for name in tonight.features}
    unusual = compare_night(
        {name: item.psi for name, item in measured.items()},
        recall_drift(past, against),
        noise={name: item.noise for name, item in measured.items()},
        needed=count_needed(limits.minimum, limits.false_alarms),
        false_alarms=limits.false_alarms,
    )
    significant = choose_significant({name: item.p_value for name, item in measured.items()}, limits.false_alarms)
    features = [_describe(name, against, item, unusual, significant) for name, item in measured.items()]
    features.sort(key=_rank, reverse=True)
    return Drift(_make_signal(SIGNALS[against], features, unusual, tonight.rows, limits), tuple(features))


def mute_comparison(against: Comparison, why: str) -> Drift:
    """A comparison that could not be made."""
    return Drift(Signal(name=SIGNALS[against], value=None, muted=why), ())


def rank_features(features: Iterable[FeatureDrift]) -> tuple[FeatureDrift, ...]:
    """Features of all comparisons, the worst first."""
    return tuple(sorted(features, key=_rank, reverse=True))


def recall_drift(past: Sequence[Observed], against: Comparison) -> list[Mapping[str, float]]:
    """By night that was compared so, the index of every feature."""
    nights = [{item.feature: item.psi for item in night.drift if item.against == against} for night in past]
    return [night for night in nights if night]


def _measure(found: Sequence[int], expected: Sequence[int]) -> _Measured:
    by_chance, noise = expect_psi(found, expected)
    return _Measured(
        psi=max(0.0, measure_psi(found, expected) - by_chance),
        noise=noise,
        jensen_shannon=measure_jensen_shannon(found, expected),
        p_value=measure_p_value(found, expected),
    )


def _describe(name: str, against: Comparison, item: _Measured, unusual: Unusual, significant: set[str]) -> FeatureDrift:
    score = unusual.scores.get(name)
    is_beyond = score is not None and unusual.limit is not None and score > unusual.limit
    return FeatureDrift(
        feature=name,
        against=against,
        psi=item.psi,
        jensen_shannon=item.jensen_shannon,
        score=score,
        limit=unusual.limit if score is not None else None,
        breached=is_beyond and name in significant,
    )


def _rank(item: FeatureDrift) -> tuple[bool, float, float]:
    """Worst first: what is beyond the limit, then what is furthest out, then what differs most."""
    return item.breached, -1.0 if item.score is None else item.score, item.psi


def _make_signal(
    name: str, features: Sequence[FeatureDrift], unusual: Unusual, rows: int, limits: Monitoring
) -> Signal:
    value, breached = unusual.largest, any(item.breached for item in features)
    muted = None
    if unusual.limit is None or value is None:
        muted = describe_waiting(unusual.nights, limits)
    elif value > unusual.limit and not breached:
        muted = f"chance gives as much of {rows} rows"
    return Signal(
        name=name,
        value=value,
        upper=unusual.limit,
        breached=breached,
        muted=muted,
        nights=unusual.nights,
        worst=tuple(
            Part(name=item.feature, value=item.score, limit=item.limit)
            for item in features[:SHOWN]
            if item.score is not None
        ),
    )
