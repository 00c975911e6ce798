"""A plausible year of a job: what monitoring, releases and models leave behind, written through the real stores.

Nothing is scored.  Numbers come from a seeded generator: a week's rhythm, two storms, three promotions, a rollback and
a backfill; limits are those that :mod:`pipeline.stages.monitor.limits` learns from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from pipeline.job import Job
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
    Part,
    ReadLatency,
    SegmentGrade,
    SegmentOutputs,
    Signal,
    StageCost,
)
from pipeline.stages.monitor.limits import Band, learn_band
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.data_docs import DataDocs
from pipeline.stores.ledger_events import Registration
from pipeline.stores.monitoring import MonitoringRecords
from pipeline.tasks import Workspace
from pipeline.tasks.manifests import write_manifest
from tests.stores.predictions.samples import make_predictions, split

STAGES = {"ingest": 1.1, "validate": 4.3, "build_features": 3.2, "score": 1.9, "publish": 0.8}
FEATURES = (
    "dep_hour", "carrier", "origin", "dest", "distance_km", "temperature", "wind_speed", "visibility", "precipitation",
    "pressure", "humidity", "plane_age", "seats", "flights_same_hour", "late_share_7d", "late_share_28d",
    "carrier_late_share_7d", "dest_late_share_7d", "origin_late_share_1d", "weekday", "is_holiday",
    "turnaround_minutes", "gusts", "dew_point",
)  # fmt: skip
CATEGORIES = {
    "carrier": ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN"),
    "origin": ("EWR", "JFK", "LGA"),
    "dest": ("ORD", "ATL", "LAX", "BOS", "MCO", "CLT", "SFO", "FLL"),
}
STORMS = ((195, 181), (70, 64), (3, 0))
"""From and to how many nights before the last, inputs and outputs are unlike the others."""

_NAMES = {
    "inputs.drift": (1.6, 0.5, 5.5, ""),
    "inputs.weekday_drift": (1.3, 0.4, 4.5, ""),
    "outputs.drift": (0.02, 0.008, 0.14, ""),
    "outputs.mean": (0.22, 0.012, 0.16, ""),
    "outputs.share_above": (0.31, 0.02, 0.22, "share"),
    "outputs.concentration": (0.011, 0.002, 0.004, "share"),
    "outputs.segments": (1.4, 0.4, 3.6, ""),
    "operations.seconds": (11.4, 0.6, 2.5, "seconds"),
    "operations.memory": (412e6, 6e6, 4e6, "bytes"),
    "operations.retries": (0.0, 0.0, 0.0, ""),
    "operations.quarantine": (0.002, 0.0006, 0.002, "share"),
    "operations.latency": (0.0011, 0.0001, 0.0002, "seconds"),
    "operations.read_errors": (0.0, 0.0, 0.0, "share"),
    "accuracy.estimate": (0.452, 0.01, 0.06, ""),
}
"""Of every signal of a night: usual value, spread, how far a storm moves it, unit."""

_UPWARDS = ("drift", "segments", "calibration", "concept", "quarantine", "latency", "memory")
"""How the names of signals end that have no lower limit."""

_LATELY = ("inputs.drift", "inputs.weekday_drift", "outputs.mean", "accuracy.estimate")
"""Signals that the last storm moves; labels of its nights have not closed yet."""

_PARTS = {
    "inputs.drift": FEATURES,
    "inputs.weekday_drift": FEATURES,
    "outputs.segments": ("carrier=EV", "carrier=B6", "origin=LGA"),
    "accuracy.segments": ("carrier=EV", "carrier=MQ", "origin=EWR"),
    "operations.seconds": ("validate", "build_features"),
    "operations.memory": ("validate", "score"),
    "operations.quarantine": ("weather", "schedule"),
}
"""What a signal may be worst in."""

_GRADED = {
    "accuracy.primary": (0.458, 0.013, 0.15, ""),
    "accuracy.segments": (1.2, 0.4, 2.8, ""),
    "accuracy.calibration": (0.018, 0.005, 0.05, ""),
    "accuracy.concept": (0.006, 0.006, 0.07, ""),
}


def write_year(
    workspace: Workspace,
    job: Job,
    *,
    last: str = "2013-12-30",
    nights: int = 365,
    category: str = "UA",
    serve: bool = True,
) -> list[str]:
    """Write ``nights`` nights up to ``last``; their partitions.

    Args:
        category: name of a category and a segment, for tests of names that mean something to a browser.
        serve: publish predictions of the last night, which needs a Redis.
    """
    end = date.fromisoformat(last)
    partitions = [(end - timedelta(days=back)).isoformat() for back in range(nights - 1, -1, -1)]
    generations = [f"{number + 1}-{number * 7919 % 65536:04x}" for number in range(nights)]
    if serve:
        generations[-1] = _serve(workspace, job, last, nights)
    signals = {name: _draw_signal(name, *numbers, nights=nights) for name, numbers in {**_NAMES, **_GRADED}.items()}
    records = workspace.monitoring(job)
    models = _write_models(workspace, job, partitions)
    for place, partition in enumerate(partitions):
        version = max(version for version, since in models.items() if since <= partition)
        night = _Night(place, partition, generations[place], version, category, _is_storm(nights - 1 - place))
        records.write_observed(_observe(night, [signals[name][place] for name in _NAMES]))
        if place < nights - 2:
            records.write_graded(_grade(night, [signals[name][place] for name in _GRADED]))
        if any(signals[name][place].breached for name in _NAMES if name.startswith(("inputs.", "outputs."))):
            _write_moved(records, night, partitions, signals["outputs.mean"])
        if place >= nights - 35:
            records.write_profile(partition, _profile(night))
    for version in models:
        records.write_reference(_digest(version), _profile(_Night(3, partitions[0], "0-0000", version, category)))
    _write_alarms(workspace, job, partitions, generations, signals)
    _write_releases(workspace, job, partitions, generations)
    _write_run(workspace, job, last, generations[-1])
    return partitions


class _Night:
    """What is the same in every record of a night."""

    def __init__(
        self, place: int, partition: str, generation: str, version: str, category: str, is_storm: bool = False
    ) -> None:
        self.place, self.partition, self.generation, self.version = place, partition, generation, version
        self.category = category
        self.chance = np.random.default_rng([20130101, place])
        self.is_storm = is_storm
        self.rows = 868
        midnight = datetime.fromisoformat(partition).replace(tzinfo=UTC)
        self.at = (midnight + timedelta(days=1, hours=8, minutes=11)).isoformat()


def _is_storm(nights_ago: int) -> bool:
    return any(first >= nights_ago >= last for first, last in STORMS)


def _digest(version: str) -> str:
    return version.zfill(2) * 32


def _draw_signal(name: str, usual: float, spread: float, moved: float, unit: str, *, nights: int) -> list[Signal]:
    chance = np.random.default_rng([7, *name.encode()])
    drawn: list[Signal] = []
    usual_values: list[float] = []
    for place in range(nights):
        value = usual + spread * float(chance.normal()) + 0.6 * spread * float(np.sin(2 * np.pi * place / 7))
        nights_ago = nights - 1 - place
        if _is_storm(nights_ago) and (nights_ago > STORMS[-1][0] or name in _LATELY):
            value += moved * (0.55 + 0.45 * float(chance.random()))
        if usual >= 0:
            value = max(value, 0.0)
        band = learn_band(usual_values[-90:], 0.05) if len(usual_values) >= 21 and spread else None
        if band is not None and name.endswith(_UPWARDS):
            band = Band(-np.inf, band.upper)
        is_out = band is not None and not band.holds(value)
        parts = _PARTS.get(name, ())
        worst = tuple(
            Part(name=parts[(place + 5 * rank) % len(parts)], value=value / (1 + rank), limit=band.upper)
            for rank in range(min(len(parts), 2))
            if band is not None
        )
        drawn.append(
            Signal(
                name=name,
                value=round(value, 6),
                lower=None if band is None or np.isinf(band.lower) else max(band.lower, 0.0),
                upper=None if band is None else band.upper,
                unit=unit,
                breached=is_out,
                nights=min(len(usual_values), 90),
                worst=worst if is_out else (),
            )
        )
        if not _is_storm(nights_ago):
            usual_values.append(value)
    return drawn


def _observe(night: _Night, signals: Sequence[Signal]) -> Observed:
    named = {signal.name: signal.value or 0.0 for signal in signals}
    mean, estimate, duration = named["outputs.mean"], named["accuracy.estimate"], named["operations.seconds"]
    edges = tuple(number / 20 for number in range(21))
    scores = night.chance.beta(2.0, 2.0 / mean - 2.0, night.rows)
    stages = tuple(
        StageCost(
            stage=stage,
            seconds=round(duration * seconds / sum(STAGES.values()), 3),
            rows=night.rows,
            peak_memory_bytes=int(412e6 * float(night.chance.normal(1, 0.01))),
            attempts=1,
        )
        for stage, seconds in STAGES.items()
    )
    return Observed(
        partition=night.partition,
        run=f"scheduled__{night.partition}",
        generation=night.generation,
        model_version=night.version,
        model_digest=_digest(night.version),
        observed_at=night.at,
        went_live=True,
        rows=night.rows,
        signals=tuple(signals),
        outputs=Outputs(
            rows=night.rows,
            mean=mean,
            std=float(scores.std()),
            quantiles={name: float(np.quantile(scores, share)) for name, share in {"p05": 0.05, "p50": 0.5}.items()},
            share_above=float((scores >= 0.3).mean()),
            concentration=0.01,
            distribution=Distribution(edges=edges, counts=tuple(np.histogram(scores, edges)[0].tolist())),
            segments=tuple(
                SegmentOutputs(segment=f"carrier={carrier}", rows=night.rows // 9, mean=mean, share_above=0.3)
                for carrier in (night.category, *CATEGORIES["carrier"][1:])
            ),
        ),
        operations=Operations(
            stages=stages,
            seconds=round(sum(stage.seconds for stage in stages), 3),
            quarantine={
                "schedule": {"distance: greater_than(0)": 3},
                "weather": {"wind_speed: in_range(0, 150)": 2, "duplicate": 1} if night.is_storm else {},
                "flights": {},
            },
            quarantined={"schedule": 3, "weather": 3 * night.is_storm, "flights": 0},
            received={"schedule": night.rows + 3, "weather": 72, "flights": night.rows - 4},
            age_seconds=15_060.0,
            bytes_per_prediction=31.4,
            reads=ReadLatency(reads=200, errors=0, p50=0.0004, p99=0.0011),
        ),
        drift=_drift(night),
        estimate=Estimate(metrics={"auc": 0.74 - 0.2 * (estimate - 0.45), "log_loss": estimate}),
    )


def _drift(night: _Night) -> tuple[FeatureDrift, ...]:
    found = []
    for against, usual in (("reference", 0.03), ("weekday", 0.02)):
        for number, feature in enumerate(FEATURES):
            psi = usual * float(night.chance.gamma(2.0, 0.5))
            if night.is_storm and number % 5 == 0:
                psi += 0.3
            score = psi / usual * (2.0 if number % 3 else 1.1)
            limit = 6.5
            found.append(
                FeatureDrift(
                    feature=feature,
                    against=against,
                    psi=round(psi, 5),
                    jensen_shannon=round(float(np.sqrt(psi / 8)), 5),
                    score=round(score, 3),
                    limit=limit,
                    breached=score > limit,
                )
            )
    return tuple(sorted(found, key=lambda item: -(item.score or 0)))


def _write_moved(records: MonitoringRecords, night: _Night, partitions: Sequence[str], means: Sequence[Signal]) -> None:
    """What moved the scores away from those of the same weekday, of four weeks at the most; the first week has none."""
    places = [place for place in range(night.place % 7, night.place, 7) if not _is_storm(len(partitions) - 1 - place)]
    if not places:
        return
    chance = np.random.default_rng([11, night.place])
    before = float(np.mean([means[place].value or 0.0 for place in places[-4:]]))
    after = means[night.place].value or 0.0
    shares = chance.dirichlet(np.full(len(FEATURES), 0.3)) * 1.3
    shares[chance.integers(len(FEATURES), size=6)] -= 0.05
    changes = (after - before) * shares / shares.sum()
    named = zip(FEATURES, changes.tolist(), strict=True)
    records.write_moved(
        Moved(
            partition=night.partition,
            against=tuple(partitions[place] for place in places[-4:]),
            generation=night.generation,
            model_version=night.version,
            rows=500,
            mean_before=before,
            mean_after=after,
            features=tuple(sorted(named, key=lambda item: -abs(item[1]))),
        )
    )


def _grade(night: _Night, signals: Sequence[Signal]) -> Graded:
    named = {signal.name: signal.value or 0.0 for signal in signals}
    loss = named["accuracy.primary"]
    bins = tuple(
        CalibrationBin(
            lower=low / 10,
            upper=(low + 1) / 10,
            rows=night.rows // 10,
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
        model_digest=_digest(night.version),
        graded_at=night.at,
        scored=night.rows,
        labelled=night.rows - 4,
        metrics={
            "auc": round(0.738 - 0.5 * (loss - 0.458), 5),
            "log_loss": round(loss, 5),
            "brier": round(loss / 3.1, 5),
            "business_cost": round(0.21 + (loss - 0.45), 5),
        },
        segments=tuple(
            SegmentGrade(segment=f"carrier={name}", rows=night.rows // 9, metrics={"log_loss": round(loss * 1.02, 5)})
            for name in (night.category, *CATEGORIES["carrier"][1:])
        ),
        calibration=bins,
        estimated=estimated,
        signals=tuple(signals),
    )


def _profile(night: _Night) -> dict[str, Any]:
    return {"rows": night.rows, "features": {feature: _count(night, feature) for feature in FEATURES}}


def _count(night: _Night, feature: str) -> dict[str, Any]:
    if feature in CATEGORIES:
        names = [night.category if feature == "carrier" and name == "UA" else name for name in CATEGORIES[feature]]
        shares = np.array([1 / (place + 1.5) for place in range(len(names))])
        tail, kind = ["other", "unknown", "missing"], "category"
    else:
        names = [f"{5 * place} to {5 * place + 5}" for place in range(12)]
        centre = 4.5 + 2.5 * night.is_storm + 0.3 * float(night.chance.normal())
        shares = np.exp(-(((np.arange(12) - centre) / 2.6) ** 2))
        tail, kind = ["missing"], "number"
    counts = [*(shares / shares.sum() * night.rows).round().astype(int).tolist(), *([0] * (len(tail) - 1)), 3]
    return {"kind": kind, "bins": [*names, *tail], "counts": counts, "nulls": 3, "unknown": 0}


def _write_models(workspace: Workspace, job: Job, partitions: Sequence[str]) -> dict[str, str]:
    """Register and promote a model every hundred nights, and a challenger that waits; version to first partition."""
    ledger = workspace.ledger(job)
    since: dict[str, str] = {}
    champion = None
    places = [*range(0, len(partitions), 100), len(partitions) - 5]
    for place in places:
        trained = partitions[max(place - 3, 0)]
        made = ledger.register(
            Registration(
                partition=trained,
                trained_through=trained,
                model_digest=_digest(str(len(since) + 1 + (place == places[-1]))),
                metadata_digest="ef" * 32,
                artifact_path=f"jobs/{job.name}/models/{place}",
                feature_set_name="flight_delays",
                feature_set_version=1,
                feature_set_digest="ab" * 32,
                dataset_version="cd" * 32,
                metrics={"auc": 0.741 + place / 40_000, "log_loss": 0.455 - place / 60_000},
                parameters={"seed": 7},
                code_version="0.1.0",
                library_versions={},
            ),
            who=f"scheduled__{trained}",
            why="retrained on schedule",
        )
        if place == places[-1]:
            break
        why = "log loss 0.4513 against 0.4571: better by 0.0058 (0.0021 to 0.0094)" if since else "the first model"
        ledger.promote(made.version, holds_from=partitions[place], who="nightly", why=why, expected_champion=champion)
        since[made.version] = partitions[place]
        champion = made.version
    return since


def _write_alarms(
    workspace: Workspace,
    job: Job,
    partitions: Sequence[str],
    generations: Sequence[str],
    signals: Mapping[str, Sequence[Signal]],
) -> None:
    log = workspace.monitoring(job).alarms
    severity = job.monitoring.severities.model_dump()
    k, n = job.monitoring.k, job.monitoring.n
    is_open: set[str] = set()
    for place, partition in enumerate(partitions):
        for name, values in signals.items():
            recent = [signal.breached for signal in values[max(place - n + 1, 0) : place + 1]]
            kind = "raised" if name not in is_open and sum(recent) >= k else None
            if name in is_open and len(recent) == n and not any(recent):
                kind = "resolved"
            if kind is None:
                continue
            signal = values[place]
            since = next(
                (partitions[day] for day in range(max(place - n + 1, 0), place + 1) if values[day].breached), partition
            )

            def draft(
                number: int,
                kind: str = kind,
                signal: Signal = signal,
                place: int = place,
                partition: str = partition,
                since: str = since,
            ) -> AlarmEvent:
                return AlarmEvent(
                    number=number,
                    kind=kind,
                    signal=signal.name,
                    severity=severity[signal.monitor],
                    at=f"{partition}T23:11:00+00:00",
                    partition=partition,
                    since=since,
                    value=signal.value,
                    lower=signal.lower,
                    upper=signal.upper,
                    unit=signal.unit,
                    worst=signal.worst,
                    generation=generations[place],
                )

            log.append(draft)
            is_open ^= {name}


def _write_releases(workspace: Workspace, job: Job, partitions: Sequence[str], generations: Sequence[str]) -> None:
    log = workspace.release_log(job)
    nights = len(partitions)
    for place, partition in enumerate(partitions):
        common: dict[str, Any] = {"inputs": f"{place:064x}", "who": f"scheduled__{partition}"}
        is_held = place == nights - 2
        kind: Any = "held" if is_held else "released"
        why = "decisions flipped of 0.27, limit 0.2" if is_held else "the release gate let it pass"
        log.append(kind, generation=generations[place], partition=partition, token=place + 1, why=why, **common)
        if place == nights // 2 + 20:
            log.append(
                "rolled_back",
                generation=generations[place - 1],
                partition=partitions[place - 1],
                token=place + 1,
                inputs=f"{place - 1:064x}",
                previous=generations[place],
                who="ada",
                why="the weather feed was of the day before",
            )
        if place == nights * 3 // 4:
            log.append(
                "kept",
                generation=f"{place}-ffff",
                partition=partitions[place - 9],
                token=place,
                inputs="ee" * 32,
                who="backfill__1",
                why="a newer partition is live",
            )


def _write_run(workspace: Workspace, job: Job, partition: str, generation: str) -> None:
    accounting = {"received": 871, "quarantined": 3, "scored": 868, "published": 868, "read_back": 868}
    run, second = f"scheduled__{partition}", 0.0
    began = datetime.fromisoformat(partition).replace(tzinfo=UTC) + timedelta(days=1, hours=8)
    for stage, seconds in STAGES.items():
        record = {
            "stage": stage,
            "job": job.name,
            "partition": partition,
            "run": run,
            "state": "success",
            "started_at": (began + timedelta(seconds=second)).isoformat(),
            "seconds": seconds,
            "rows": 868,
            "peak_memory_mib": 392,
            **({"accounting": accounting} if stage == "publish" else {}),
        }
        workspace.lake.replace_json(f"jobs/{job.name}/runs/{partition}/{run}/{stage}.json", record)
        second += seconds + 2
    write_manifest(workspace, job, {"generation": generation, "partition": partition, "accounting": accounting})
    source = {"received": 871, "quarantined": 3, "reasons": {"distance: greater_than(0)": 3}, "verdict": None}
    DataDocs(workspace.lake, job.name).write_night(partition, {"schedule": source})


def _serve(workspace: Workspace, job: Job, partition: str, token: int) -> str:
    """Publish predictions of a night, and make them live; their generation."""
    predictions = make_predictions(868)
    store = workspace.predictions
    with store.begin(job.name, partition, len(predictions), 4, known_token=token - 1) as load:
        for table in split(predictions, 4):
            load.send(table)
        load.read_back()
        load.seal(
            load.make_header(
                cutoff=job.cutoff(date.fromisoformat(partition)),
                model_version="4",
                feature_set="flight_delays@1",
                columns=("prediction",),
                max_age_seconds=129_600,
                manifest="ab" * 32,
            )
        )
    store.flip(job.name, load.generation, load.token)
    return load.generation
