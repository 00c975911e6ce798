"""A job whose stages are really run: how many rides will start tomorrow at each station of hired bicycles?"""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job, Label, Owner, Role, Source, Training

_PARTS = "tests.dags.jobs.rides_parts"

JOB = Job(
    name="rides",
    description="How many rides will start tomorrow at each station?",
    owner=Owner(name="Bicycle hire", email="bicycles@example.org"),
    task="regression",
    timezone="Europe/Berlin",
    close_after=timedelta(hours=2),
    patience=timedelta(hours=1),
    first_partition=date(2024, 5, 1),
    last_partition=date(2024, 5, 31),
    sources=(
        Source(name="stations", role=Role.POPULATION, key=("station",), contract=f"{_PARTS}:STATIONS", shards=2),
        Source(name="rides", role=Role.EVENTS, key=("station",), contract=f"{_PARTS}:RIDES", event_time="counted_at"),
    ),
    feature_set=f"{_PARTS}:FEATURES",
    model=f"{_PARTS}:build_model",
    label=Label(source="rides", value="count", closes_after=1),
    training=Training(window=28, minimum=3, holdout=2, every="0 6 * * *"),
    trailing_profiles=3,
    score_range=(-10_000.0, 10_000.0),
    decimals=2,
    upstream=f"{_PARTS}:RidesUpstream",
)
