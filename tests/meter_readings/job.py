"""The second job: how many kilowatt-hours will every electricity meter of two islands count tomorrow?

It has nothing in common with the demo's job: numeric entity ids, a regression, other sources, another timezone and
three shards.  What works for both is the engine's.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job, Label, Owner, Priors, Role, Source, Training

_HERE = "tests.meter_readings"

JOB = Job(
    name="meter_readings",
    description="How many kilowatt-hours will every meter count tomorrow?",
    owner=Owner(name="Island grid", email="grid@example.org"),
    task="regression",
    timezone="Pacific/Auckland",
    close_after=timedelta(hours=2),
    patience=timedelta(hours=4),
    first_partition=date(2024, 2, 19),
    sources=(
        Source(
            name="meters",
            role=Role.POPULATION,
            key=("meter_id",),
            contract=f"{_HERE}.contracts:METERS",
            suite=f"{_HERE}.suites:meters_suite",
            shards=3,
        ),
        Source(
            name="readings",
            role=Role.EVENTS,
            key=("meter_id",),
            contract=f"{_HERE}.contracts:READINGS",
            suite=f"{_HERE}.suites:readings_suite",
            event_time="read_at",
            shards=2,
        ),
        Source(name="tariffs", role=Role.DIMENSION, key=("tariff",), contract=f"{_HERE}.contracts:TARIFFS"),
    ),
    feature_set=f"{_HERE}.feature_set:FEATURES",
    model=f"{_HERE}.model:build_model",
    label=Label(source="readings", value="kwh", closes_after=1),
    training=Training(window=6, minimum=4, holdout=3, seed=7),
    trailing_profiles=3,
    score_range=(-50.0, 500.0),
    decimals=3,
    max_age=timedelta(hours=40),
    upstream=f"{_HERE}.upstream:MeterUpstream",
    priors=Priors(segment="tariff"),
)
