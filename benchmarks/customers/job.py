"""The customers job.  Its size is that of what was landed; 28 days of events are behind its night."""

from __future__ import annotations

import os
from datetime import date, timedelta

from pipeline.job import Job, Label, Owner, Role, Source, Training

NIGHT = date(2026, 1, 28)
"""The partition that is measured: the first whose windows are full."""

FIRST_PARTITION = NIGHT - timedelta(days=27)

SHARDS = int(os.environ.get("CUSTOMERS_SHARDS", "8"))
"""Parts of the population; the benchmarks make as many as its size asks for."""

_HERE = "benchmarks.customers"

JOB = Job(
    name="customers",
    description="Which customers will leave?",
    owner=Owner(name="Benchmarks", email="benchmarks@example.com"),
    task="binary",
    timezone="UTC",
    close_after=timedelta(hours=1),
    patience=timedelta(hours=2),
    first_partition=FIRST_PARTITION,
    last_partition=NIGHT,
    sources=(
        Source(
            name="customers",
            role=Role.POPULATION,
            key=("customer_id",),
            contract=f"{_HERE}.contracts:CUSTOMERS",
            suite=f"{_HERE}.suites:customers_suite",
            shards=SHARDS,
        ),
        Source(
            name="events",
            role=Role.EVENTS,
            key=("event_id",),
            contract=f"{_HERE}.contracts:EVENTS",
            suite=f"{_HERE}.suites:events_suite",
            event_time="occurred_at",
            shards=8,
        ),
        Source(name="outcomes", role=Role.EVENTS, key=("customer_id",), contract=f"{_HERE}.contracts:OUTCOMES"),
    ),
    feature_set=f"{_HERE}.feature_set:FEATURES",
    model=f"{_HERE}.model:build_model",
    label=Label(source="outcomes", value="left", closes_after=1),
    training=Training(window=2, minimum=1, holdout=1, seed=28),
    trailing_profiles=7,
)
