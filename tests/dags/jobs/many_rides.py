"""The job ``rides`` with so many stations that a publish can be stopped in the middle of its load."""

from __future__ import annotations

from tests.dags.jobs.rides import JOB as RIDES

JOB = RIDES.model_copy(update={"name": "many_rides", "upstream": "tests.dags.jobs.rides_parts:ManyRidesUpstream"})
