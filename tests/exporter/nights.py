"""A dozen watched nights of the second job, written through the real stores."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pipeline.job import Job
from pipeline.monitoring import (
    CalibrationBin,
    Distribution,
    Estimate,
    FeatureDrift,
    Graded,
    Observed,
    Operations,
    Outputs,
    ReadLatency,
    SegmentGrade,
    SegmentOutputs,
    Signal,
    StageCost,
)
from pipeline.stores.alarms import AlarmEvent
from pipeline.tasks import Workspace
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


def make_observed(partition: date, **changes: object) -> Observed:
    """One night as it was served."""
    values = {
        "partition": partition.isoformat(),
        "run": "first",
        "generation": "1-0000",
        "model_version": "1",
        "model_digest": "ab" * 32,
        "observed_at": f"{partition + timedelta(days=1)}T09:00:00+00:00",
        "went_live": True,
        "rows": 300,
        "signals": SIGNALS,
        "outputs": Outputs(
            rows=300,
            mean=12.5,
            std=4.0,
            quantiles={"0.05": 6.0, "0.5": 12.0, "0.95": 20.0},
            share_above=0.25,
            concentration=0.01,
            distribution=Distribution(edges=(0.0, 10.0, 30.0), counts=(100, 200)),
            segments=(
                SegmentOutputs(segment=SEGMENT, rows=200, mean=12.0, share_above=0.2),
                SegmentOutputs(segment="tariff=night", rows=100, mean=13.5, share_above=0.35),
            ),
        ),
        "operations": Operations(
            stages=(
                StageCost(stage="ingest", seconds=2.0, rows=900, peak_memory_bytes=200_000_000, attempts=1),
                StageCost(stage="publish", seconds=40.0, rows=None, peak_memory_bytes=250_000_000, attempts=2),
            ),
            seconds=42.0,
            quarantine={"meters": {"kwh: below 0": 9}, "readings": {}},
            received={"meters": 309, "readings": 310},
            age_seconds=7200.0,
            bytes_per_prediction=31.0,
            reads=ReadLatency(reads=200, errors=1, p50=0.0002, p99=0.002),
        ),
        "drift": (
            FeatureDrift(
                feature="kwh_7d", against="reference", psi=0.3, jensen_shannon=0.2, score=3.5, limit=2.5, breached=True
            ),
            FeatureDrift(feature="kwh_7d", against="weekday", psi=0.1, jensen_shannon=0.1, score=1.5, limit=2.5),
            FeatureDrift(feature="tariff", against="reference", psi=0.0, jensen_shannon=0.0),
        ),
        "estimate": Estimate(metrics={"rmse": 2.0}, muted="the estimator was wrong"),
    }
    return Observed.model_validate(values | changes)


def make_graded(partition: date, **changes: object) -> Graded:
    """The same night against its labels."""
    values = {
        "partition": partition.isoformat(),
        "generation": "1-0000",
        "model_version": "1",
        "model_digest": "ab" * 32,
        "graded_at": f"{partition + timedelta(days=2)}T09:00:00+00:00",
        "scored": 300,
        "labelled": 290,
        "metrics": {"rmse": 1.9, "calibration_error": 0.2},
        "segments": (SegmentGrade(segment=SEGMENT, rows=200, metrics={"rmse": 1.8}),),
        "calibration": (CalibrationBin(lower=0.0, upper=30.0, rows=290, mean_score=12.5, mean_label=12.3),),
        "estimated": {"rmse": 2.0},
        "signals": GRADED_SIGNALS,
    }
    return Graded.model_validate(values | changes)


def make_alarm(number: int, kind: str, signal: str, partition: date, severity: str = "warning") -> AlarmEvent:
    """One line of the log of alarms."""
    return AlarmEvent.model_validate(
        {
            "number": number,
            "kind": kind,
            "signal": signal,
            "severity": severity,
            "at": f"{partition + timedelta(days=1)}T09:00:00+00:00",
            "partition": partition.isoformat(),
            "since": (partition - timedelta(days=1)).isoformat(),
        }
    )


def raise_alarm(workspace: Workspace, job: Job, signal: str, severity: str = "warning") -> None:
    """Open an alarm on the newest night."""
    workspace.monitoring(job).alarms.append(lambda number: make_alarm(number, "raised", signal, NEWEST, severity))


def write_nights(workspace: Workspace, job: Job) -> None:
    """A dozen nights: watched, all but the newest graded, one alarm resolved and two open; the newest night is live."""
    records = workspace.monitoring(job)
    for age in reversed(range(NIGHTS)):
        night = NEWEST - timedelta(days=age)
        records.write_observed(make_observed(night))
        if age:
            records.write_graded(make_graded(night))
    records.alarms.append(lambda number: make_alarm(number, "raised", "outputs.mean", NEWEST - timedelta(days=9)))
    records.alarms.append(lambda number: make_alarm(number, "resolved", "outputs.mean", NEWEST - timedelta(days=5)))
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
