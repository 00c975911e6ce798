"""A dozen watched nights of the second job, written through the real stores."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from pipeline.job import Job
from pipeline.monitoring import (
    Distribution,
    Estimate,
    FeatureDrift,
    Graded,
    Observed,
    ReadLatency,
    SegmentGrade,
    SegmentOutputs,
    Signal,
    StageCost,
)
from pipeline.tasks import Workspace
from tests.monitoring_records import log_alarm, make_graded, make_observed, make_operations, make_outputs
from tests.stores.model_samples import make_registration
from tests.stores.predictions.samples import make_header, make_predictions, make_table, send_all

NEWEST = date(2024, 3, 9)
NIGHTS = 12
SEGMENT = 'tariff=day "and"\\night\n'
"""What has to be escaped, all at once."""

SIGNALS = (
    Signal(name="inputs.drift", value=3.5, upper=2.5, breached=True, nights=30),
    Signal(name="inputs.weekday_drift", value=1.5, upper=2.5, nights=30),
    Signal(name="outputs.drift", value=0.02, upper=0.1, unit="nats", nights=30),
    Signal(name="outputs.mean", value=12.5, lower=11.0, upper=14.0, nights=30),
    Signal(name="outputs.share_above", value=0.25, lower=0.1, upper=0.4, unit="share", nights=30),
    Signal(name="outputs.segments", value=1.0, upper=3.0, nights=30),
    Signal(name="outputs.concentration", value=0.01, upper=0.02, unit="share", nights=30),
    Signal(name="operations.seconds", value=42.0, upper=60.0, unit="seconds", nights=30),
    Signal(name="operations.memory", value=2.5e8, upper=4e8, unit="bytes", nights=30),
    Signal(name="operations.retries", value=1.0, upper=2.0, nights=30),
    Signal(name="operations.quarantine", value=0.03, upper=0.02, unit="share", breached=True, nights=30),
    Signal(name="operations.latency", value=0.002, upper=0.004, unit="seconds", nights=30),
    Signal(name="operations.read_errors", value=0.0, upper=0.0, unit="share", nights=30),
    Signal(name="accuracy.estimate", value=None, muted="the estimator was wrong", nights=9),
)
GRADED_SIGNALS = (
    Signal(name="accuracy.primary", value=1.9, upper=2.1, nights=30),
    Signal(name="accuracy.segments", value=1.2, upper=3.0, nights=30),
    Signal(name="accuracy.concept", value=-0.1, lower=-0.3, upper=0.3, nights=30),
    Signal(name="accuracy.calibration", value=0.2, upper=0.3, nights=30),
)


OUTPUTS = make_outputs(
    rows=300,
    mean=12.5,
    quantiles={"0.05": 6.0, "0.5": 12.0, "0.95": 20.0},
    share_above=0.25,
    concentration=0.01,
    distribution=Distribution(edges=(0.0, 10.0, 30.0), counts=(100, 200)),
    segments=(
        SegmentOutputs(segment=SEGMENT, rows=200, mean=12.0, share_above=0.2),
        SegmentOutputs(segment="tariff=night", rows=100, mean=13.5, share_above=0.35),
    ),
)
OPERATIONS = make_operations(
    stages=(
        StageCost(stage="ingest", seconds=2.0, rows=900, peak_memory_bytes=200_000_000, attempts=1),
        StageCost(stage="publish", seconds=40.0, rows=None, peak_memory_bytes=250_000_000, attempts=2),
    ),
    seconds=42.0,
    quarantine={"meters": {"kwh: below 0": 9}, "readings": {}},
    received={"meters": 309, "readings": 310},
    reads=ReadLatency(reads=200, errors=1, p50=0.0002, p99=0.002),
)
DRIFT = (
    FeatureDrift(
        feature="kwh_7d", against="reference", psi=0.3, jensen_shannon=0.2, score=3.5, limit=2.5, breached=True
    ),
    FeatureDrift(feature="kwh_7d", against="weekday", psi=0.1, jensen_shannon=0.1, score=1.5, limit=2.5),
    FeatureDrift(feature="tariff", against="reference", psi=0.0, jensen_shannon=0.0),
)


def observe(partition: date, **changes: Any) -> Observed:
    """One night as it was served."""
    facts = {
        "outputs": OUTPUTS,
        "operations": OPERATIONS,
        "drift": DRIFT,
        "estimate": Estimate(metrics={"rmse": 2.0}, muted="the estimator was wrong"),
    }
    return make_observed(partition.isoformat(), *SIGNALS, **facts | changes)


def grade(partition: date, *signals: Signal) -> Graded:
    """The same night against its labels."""
    return make_graded(
        partition.isoformat(),
        *signals,
        scored=300,
        labelled=290,
        metrics={"rmse": 1.9, "calibration_error": 0.2},
        segments=(SegmentGrade(segment=SEGMENT, rows=200, metrics={"rmse": 1.8}),),
        estimated={"rmse": 2.0},
    )


def raise_alarm(workspace: Workspace, job: Job, signal: str, severity: str = "warning") -> None:
    """Open an alarm on the newest night, which the night before had been beyond the limit of too."""
    since = (NEWEST - timedelta(days=1)).isoformat()
    log_alarm(workspace.monitoring(job), NEWEST.isoformat(), signal=signal, severity=severity, since=since)


def resolve_alarm(workspace: Workspace, job: Job, signal: str, partition: date = NEWEST) -> None:
    """Close an alarm."""
    log_alarm(workspace.monitoring(job), partition.isoformat(), kind="resolved", signal=signal)


def write_nights(workspace: Workspace, job: Job) -> None:
    """A dozen nights: watched, all but the newest graded, one alarm resolved and two open; the newest night is live."""
    records = workspace.monitoring(job)
    for age in reversed(range(NIGHTS)):
        night = NEWEST - timedelta(days=age)
        records.write_observed(observe(night))
        if age:
            records.write_graded(grade(night, *GRADED_SIGNALS))
    log_alarm(records, (NEWEST - timedelta(days=9)).isoformat(), signal="outputs.mean")
    resolve_alarm(workspace, job, "outputs.mean", NEWEST - timedelta(days=5))
    raise_alarm(workspace, job, "inputs.drift")
    raise_alarm(workspace, job, "operations.quarantine", "critical")
    promote(workspace, job)
    publish(workspace, job, NEWEST)


def promote(workspace: Workspace, job: Job) -> None:
    """A first champion."""
    ledger = workspace.ledger(job)
    ledger.register(make_registration(), who="ada", why="trained on 30 partitions")
    ledger.promote("1", holds_from="2024-02-27", who="ada", why="the first model", expected_champion=None)


def publish(workspace: Workspace, job: Job, partition: date, rows: int = 300) -> None:
    """Make a night live, and log it."""
    store = workspace.predictions
    with store.begin(job.name, partition.isoformat(), rows, 1) as load:
        send_all(load, [make_table(make_predictions(rows))])
        max_age = None if job.max_age is None else int(job.max_age.total_seconds())
        load.seal(make_header(load, cutoff=job.cutoff(partition), model_version="1", max_age_seconds=max_age))
    store.flip(job.name, load.generation, load.token)
    log_release(workspace, job, load.generation, partition, load.token)


def log_release(workspace: Workspace, job: Job, generation: str, partition: date, token: int) -> None:
    """Write down that a night went live."""
    workspace.release_log(job).append(
        "released",
        generation=generation,
        partition=partition.isoformat(),
        token=token,
        inputs="cd" * 32,
        who="first",
        why="the night is done",
    )


def midnight_of(partition: date) -> float:
    """Seconds since 1970, at midnight in UTC."""
    return datetime.fromisoformat(f"{partition}T00:00:00+00:00").timestamp()
