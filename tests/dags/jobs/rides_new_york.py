"""The job ``rides`` in a zone behind UTC, over the night in which clocks go forward."""

from __future__ import annotations

from datetime import date

from tests.dags.jobs.rides import JOB as RIDES

JOB = RIDES.model_copy(
    update={
        "name": "rides_new_york",
        "timezone": "America/New_York",
        "first_partition": date(2024, 2, 20),
        "last_partition": date(2024, 3, 20),
        "upstream": "tests.dags.jobs.rides_parts:NewYorkUpstream",
    }
)
