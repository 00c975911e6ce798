"""The job ``approved_rides`` whose challengers are rejected unless somebody answers within seconds."""

from __future__ import annotations

from datetime import timedelta

from tests.dags.jobs.approved_rides import JOB as APPROVED

assert APPROVED.training.approval is not None
_APPROVAL = APPROVED.training.approval.model_copy(update={"answer_within": timedelta(seconds=10)})

JOB = APPROVED.model_copy(
    update={"name": "hurried_rides", "training": APPROVED.training.model_copy(update={"approval": _APPROVAL})}
)
