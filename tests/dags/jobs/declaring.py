"""A declaration as short as it can be, for jobs whose stages are never run."""

from __future__ import annotations

from datetime import date, timedelta

from pipeline.job import Job, Label, Owner, Role, Source, Training


def declare_job(name: str, *, first_partition: date, last_partition: date | None = None, timezone: str = "UTC") -> Job:
    """A job over one population and one source of events, closed an hour after midnight, with two hours of patience."""
    return Job(
        name=name,
        description=f"The job {name} of the tests.",
        owner=Owner(name="Harbour office", email="harbour@example.org"),
        task="regression",
        timezone=timezone,
        close_after=timedelta(hours=1),
        patience=timedelta(hours=2),
        first_partition=first_partition,
        last_partition=last_partition,
        sources=(
            Source(name="gauges", role=Role.POPULATION, key=("gauge_id",), contract="nowhere.contracts:GAUGES"),
            Source(name="readings", role=Role.EVENTS, key=("gauge_id",), contract="nowhere.contracts:READINGS"),
        ),
        feature_set="nowhere.features:FEATURES",
        model="nowhere.model:build_model",
        label=Label(source="readings", value="level", closes_after=1),
        training=Training(window=28, minimum=7, holdout=7),
    )
