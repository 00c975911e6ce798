"""What monitoring writes down of one night of a plausible year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from pipeline.monitoring import (
    CalibrationBin,
    Distribution,
    Estimate,
    FeatureDrift,
    Graded,
    Moved,
    Observed,
    Operations,
    Outputs,
    Profile,
    ReadLatency,
    SegmentGrade,
    SegmentOutputs,
    Signal,
    StageCost,
)
from tests.monitoring_year.signals import FEATURES, is_storm

ROWS = 868
STAGES = {"ingest": 1.1, "validate": 4.3, "build_features": 3.2, "score": 1.9, "publish": 0.8}
CATEGORIES = {
    "carrier": ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN"),
    "origin": ("EWR", "JFK", "LGA"),
    "dest": ("ORD", "ATL", "LAX", "BOS", "MCO", "CLT", "SFO", "FLL"),
}

_MOST_DRIFT = 6.5


@dataclass
class Night:
    """What is the same in every record of a night.

    Attributes:
        place: how many nights were before it.
        version: of the model that scored it.
        category: the name that one of the carriers has.
        chance: what its records are drawn from, one after the other.
    """

    place: int
    partition: str
    generation: str
    version: str
    category: str
    is_storm: bool = False
    chance: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng([20130101, self.place])

    @property
    def watched_at(self) -> str:
        """The morning after it, UTC."""
        return f"{date.fromisoformat(self.partition) + timedelta(days=1)}T08:11:00+00:00"

    @property
    def segments(self) -> list[str]:
        """Those that are looked at by themselves."""
        return [f"carrier={name}" for name in (self.category, *CATEGORIES["carrier"][1:])]


def name_model_digest(version: str) -> str:
    """The digest of the model with this version."""
    return version.zfill(2) * 32


def observe(night: Night, signals: Sequence[Signal]) -> Observed:
    """The night as it was served."""
    named = {signal.name: signal.value or 0.0 for signal in signals}
    estimate = named["accuracy.estimate"]
    return Observed(
        partition=night.partition,
        run=f"scheduled__{night.partition}",
        generation=night.generation,
        model_version=night.version,
        model_digest=name_model_digest(night.version),
        observed_at=night.watched_at,
        went_live=True,
        rows=ROWS,
        signals=tuple(signals),
        outputs=_describe_outputs(night, named["outputs.mean"]),
        operations=_describe_operations(night, named["operations.seconds"]),
        drift=_compare_features(night),
        estimate=Estimate(metrics={"auc": 0.74 - 0.2 * (estimate - 0.45), "log_loss": estimate}),
    )


def _describe_outputs(night: Night, mean: float) -> Outputs:
    edges = tuple(number / 20 for number in range(21))
    scores = night.chance.beta(2.0, 2.0 / mean - 2.0, ROWS)
    return Outputs(
        rows=ROWS,
        mean=mean,
        std=float(scores.std()),
        quantiles={name: float(np.quantile(scores, share)) for name, share in {"p05": 0.05, "p50": 0.5}.items()},
        share_above=float((scores >= 0.3).mean()),
        concentration=0.01,
        distribution=Distribution(edges=edges, counts=tuple(np.histogram(scores, edges)[0].tolist())),
        segments=tuple(
            SegmentOutputs(segment=segment, rows=ROWS // 9, mean=mean, share_above=0.3) for segment in night.segments
        ),
    )


def _describe_operations(night: Night, duration: float) -> Operations:
    stages = tuple(
        StageCost(
            stage=stage,
            seconds=round(duration * seconds / sum(STAGES.values()), 3),
            rows=ROWS,
            peak_memory_bytes=int(412e6 * float(night.chance.normal(1, 0.01))),
            attempts=1,
        )
        for stage, seconds in STAGES.items()
    )
    return Operations(
        stages=stages,
        seconds=round(sum(stage.seconds for stage in stages), 3),
        quarantine={
            "schedule": {"distance: greater_than(0)": 3},
            "weather": {"wind_speed: in_range(0, 150)": 2, "duplicate": 1} if night.is_storm else {},
            "flights": {},
        },
        quarantined={"schedule": 3, "weather": 3 * night.is_storm, "flights": 0},
        received={"schedule": ROWS + 3, "weather": 72, "flights": ROWS - 4},
        age_seconds=15_060.0,
        bytes_per_prediction=31.4,
        reads=ReadLatency(reads=200, errors=0, p50=0.0004, p99=0.0011),
    )


def _compare_features(night: Night) -> tuple[FeatureDrift, ...]:
    found = []
    for against, usual in (("reference", 0.03), ("weekday", 0.02)):
        for number, feature in enumerate(FEATURES):
            psi = usual * float(night.chance.gamma(2.0, 0.5))
            if night.is_storm and number % 5 == 0:
                psi += 0.3
            score = psi / usual * (2.0 if number % 3 else 1.1)
            found.append(
                FeatureDrift(
                    feature=feature,
                    against=against,
                    psi=round(psi, 5),
                    jensen_shannon=round(float(np.sqrt(psi / 8)), 5),
                    score=round(score, 3),
                    limit=_MOST_DRIFT,
                    breached=score > _MOST_DRIFT,
                )
            )
    return tuple(sorted(found, key=lambda item: -(item.score or 0)))


def explain_move(night: Night, partitions: Sequence[str], means: Sequence[Signal]) -> Moved | None:
    """What moved the scores away from those of the same weekday, of four weeks at the most; the first week has none."""
    places = [place for place in range(night.place % 7, night.place, 7) if not is_storm(len(partitions) - 1 - place)]
    if not places:
        return None
    chance = np.random.default_rng([11, night.place])
    before = float(np.mean([means[place].value or 0.0 for place in places[-4:]]))
    after = means[night.place].value or 0.0
    shares = chance.dirichlet(np.full(len(FEATURES), 0.3)) * 1.3
    shares[chance.integers(len(FEATURES), size=6)] -= 0.05
    changes = (after - before) * shares / shares.sum()
    named = zip(FEATURES, changes.tolist(), strict=True)
    return Moved(
        partition=night.partition,
        against=tuple(partitions[place] for place in places[-4:]),
        generation=night.generation,
        model_version=night.version,
        rows=500,
        mean_before=before,
        mean_after=after,
        features=tuple(sorted(named, key=lambda item: -abs(item[1]))),
    )


def grade(night: Night, signals: Sequence[Signal]) -> Graded:
    """The night against its labels."""
    named = {signal.name: signal.value or 0.0 for signal in signals}
    loss = named["accuracy.primary"]
    bins = tuple(
        CalibrationBin(
            lower=low / 10,
            upper=(low + 1) / 10,
            rows=ROWS // 10,
            mean_score=(low + 0.5) / 10,
            mean_label=min(1.0, max(0.0, (low + 0.5) / 10 + 0.03 * float(night.chance.normal()))),
        )
        for low in range(8)
    )
    estimated = {"auc": 0.742, "log_loss": loss - named["accuracy.concept"]}
    return Graded(
        partition=night.partition,
        generation=night.generation,
        model_version=night.version,
        model_digest=name_model_digest(night.version),
        graded_at=night.watched_at,
        scored=ROWS,
        labelled=ROWS - 4,
        metrics={
            "auc": round(0.738 - 0.5 * (loss - 0.458), 5),
            "log_loss": round(loss, 5),
            "brier": round(loss / 3.1, 5),
            "business_cost": round(0.21 + (loss - 0.45), 5),
        },
        segments=tuple(
            SegmentGrade(segment=segment, rows=ROWS // 9, metrics={"log_loss": round(loss * 1.02, 5)})
            for segment in night.segments
        ),
        calibration=bins,
        estimated=estimated,
        signals=tuple(signals),
    )


def profile(night: Night) -> Profile:
    """Counts of every feature."""
    return {"rows": ROWS, "features": {feature: _count(night, feature) for feature in FEATURES}}


def _count(night: Night, feature: str) -> dict[str, Any]:
    if feature in CATEGORIES:
        names = [night.category if feature == "carrier" and name == "UA" else name for name in CATEGORIES[feature]]
        shares = np.array([1 / (place + 1.5) for place in range(len(names))])
        tail, kind = ["other", "unknown", "missing"], "category"
    else:
        names = [f"{5 * place} to {5 * place + 5}" for place in range(12)]
        centre = 4.5 + 2.5 * night.is_storm + 0.3 * float(night.chance.normal())
        shares = np.exp(-(((np.arange(12) - centre) / 2.6) ** 2))
        tail, kind = ["missing"], "number"
    counts = [*(shares / shares.sum() * ROWS).round().astype(int).tolist(), *([0] * (len(tail) - 1)), 3]
    return {"kind": kind, "bins": [*names, *tail], "counts": counts, "nulls": 3, "unknown": 0}
