"""The flight job: which of tomorrow's flights will arrive more than 15 minutes late?

Partition D closes at 04:00 in New York on the next morning: 7 % of flights land after midnight, and half of those are
late, so that a cutoff at midnight would lose or leak the most telling ones.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job, Label, Owner, Priors, PromotionGate, ReleaseGate, Role, Source, Training
from pipeline.jobs.flight_delays.costs import DECISION_THRESHOLD

FIRST_PARTITION = date(2013, 1, 1)
LAST_PARTITION = date(2013, 12, 30)
"""The population of the day after would be the flights of 2014, which the data does not have."""

_HERE = "pipeline.jobs.flight_delays"

JOB = Job(
    name="flight_delays",
    description="Which of tomorrow's flights out of New York will arrive more than 15 minutes late?",
    owner=Owner(name="Flight operations", email="flight-operations@example.com"),
    task="binary",
    timezone="America/New_York",
    close_after=timedelta(hours=4),
    patience=timedelta(hours=3),
    first_partition=FIRST_PARTITION,
    last_partition=LAST_PARTITION,
    sources=(
        Source(
            name="schedule",
            role=Role.POPULATION,
            key=("flight_id",),
            contract=f"{_HERE}.contracts:SCHEDULE",
            suite=f"{_HERE}.suites:schedule_suite",
            measures=f"{_HERE}.measures:SCHEDULE",
            shards=2,
        ),
        Source(
            name="flights",
            role=Role.EVENTS,
            key=("flight_id",),
            contract=f"{_HERE}.contracts:FLIGHTS",
            suite=f"{_HERE}.suites:flights_suite",
            measures=f"{_HERE}.measures:FLIGHTS",
            event_time="known_at",
        ),
        Source(
            name="weather",
            role=Role.EVENTS,
            key=("origin", "observed_at"),
            contract=f"{_HERE}.contracts:WEATHER",
            suite=f"{_HERE}.suites:weather_suite",
            measures=f"{_HERE}.measures:WEATHER",
            event_time="observed_at",
            # A partition has 72 rows: two bad sensor readings in a day are no reason to stop.
            max_quarantined=0.05,
        ),
        Source(name="planes", role=Role.DIMENSION, key=("tailnum",), contract=f"{_HERE}.contracts:PLANES"),
        Source(
            name="airports",
            role=Role.DIMENSION,
            key=("airport",),
            contract=f"{_HERE}.contracts:AIRPORTS",
            suite=f"{_HERE}.suites:airports_suite",
            measures=f"{_HERE}.measures:AIRPORTS",
        ),
        Source(name="airlines", role=Role.DIMENSION, key=("carrier",), contract=f"{_HERE}.contracts:AIRLINES"),
    ),
    feature_set="features.flight_delays:FEATURES",
    model=f"{_HERE}.model:build_model",
    # Two days: 0.2 % of flights, the latest of all, are still open when the first one closes.
    label=Label(source="flights", value="is_late", closes_after=2),
    training=Training(window=365, minimum=28, holdout=7, seed=20130101, gate=PromotionGate(margin=0.01)),
    max_age=timedelta(hours=36),
    upstream=f"{_HERE}.upstream:FlightUpstream",
    # A flight that was put on at short notice: how late its carrier's flights are.
    priors=Priors(segment="carrier"),
    decision_threshold=DECISION_THRESHOLD,
    business_cost=f"{_HERE}.costs:cost_of_warnings",
    cost_unit="wrong warnings",
    tuned_before=date(2013, 7, 1),
    segments=("origin", "carrier"),
    # Beyond what any of 91 nights before July was from the one before; docs/flight-job.md has the table.
    release_gate=ReleaseGate(max_lost=0.5, max_flipped=0.2, max_shift=0.95, on_breach="ask", ids_recur=False),
)
