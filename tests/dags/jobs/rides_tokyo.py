"""The job ``rides`` in a zone ahead of UTC, over a leap day."""

from __future__ import annotations

from datetime import date

from tests.dags.jobs.rides import JOB as RIDES

JOB = RIDES.model_copy(
    update={
        "name": "rides_tokyo",
        "timezone": "Asia/Tokyo",
        "first_partition": date(2024, 2, 20),
        "last_partition": date(2024, 3, 20),
        "upstream": "tests.dags.jobs.rides_parts:TokyoUpstream",
    }
)
