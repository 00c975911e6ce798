"""A job whose upstream carries canaries: what is upstream's must not come out where only counts belong."""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job, Label, Owner, Priors, PromotionGate, Role, Source, Training

_PARTS = "tests.security.watched_parts"

JOB = Job(
    name="watched",
    description="How much will each person spend tomorrow?",
    owner=Owner(name="Shop", email="shop@example.org"),
    task="regression",
    timezone="UTC",
    close_after=timedelta(hours=1),
    patience=timedelta(hours=1),
    first_partition=date(2024, 5, 1),
    last_partition=date(2024, 5, 31),
    sources=(
        Source(
            name="people",
            role=Role.POPULATION,
            key=("person",),
            contract=f"{_PARTS}:PEOPLE",
            suite=f"{_PARTS}:people_suite",
            max_quarantined=0.2,
            shards=2,
        ),
        Source(
            name="purchases",
            role=Role.EVENTS,
            key=("person",),
            contract=f"{_PARTS}:PURCHASES",
            event_time="paid_at",
            max_quarantined=0.2,
        ),
    ),
    feature_set=f"{_PARTS}:FEATURES",
    model=f"{_PARTS}:build_model",
    label=Label(source="purchases", value="spent", closes_after=1),
    training=Training(window=7, minimum=3, holdout=2, gate=PromotionGate(min_segment=5, max_feature_power=1)),
    segments=("town",),
    trailing_profiles=7,
    score_range=(-1e15, 1e15),
    decimals=2,
    priors=Priors(segment="town"),
)
