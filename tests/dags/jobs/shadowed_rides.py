"""The job ``rides`` whose challengers score along for two nights before they may become champion."""

from __future__ import annotations

from tests.dags.jobs.rides import JOB as RIDES

JOB = RIDES.model_copy(
    update={"name": "shadowed_rides", "training": RIDES.training.model_copy(update={"shadow_nights": 2})}
)
