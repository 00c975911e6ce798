"""The job ``rides`` whose challengers a person has to approve; the gate lets all pass that are not far worse."""

from __future__ import annotations

from pipeline.job import Approval, Job, PromotionGate
from tests.dags.jobs.rides import JOB as RIDES

JOB = Job.model_validate(
    {
        **RIDES.model_dump(),
        "name": "approved_rides",
        "training": {
            **RIDES.training.model_dump(),
            "gate": PromotionGate(margin=5.0).model_dump(),
            "approval": Approval(approvers=("admin", "Anonymous")).model_dump(),
        },
    }
)
