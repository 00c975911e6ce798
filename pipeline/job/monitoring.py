"""What of a served job is watched, how often an alarm may be false, and how bad each alarm is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.job.declaration import Declaration
from pipeline.keyspace import MAX_REASONS

Severity = Literal["info", "warning", "critical"]


class Severities(Declaration):
    """How bad it is when a monitor's alarm is raised: who is told follows from it.

    ``info`` is logged, ``warning`` goes to the owner, ``critical`` to the owner's escalation as well.
    """

    inputs: Severity = "warning"
    outputs: Severity = "warning"
    operations: Severity = "warning"
    accuracy: Severity = "critical"


class Monitoring(Declaration):
    """How a job is watched.  Limits are learnt from the job's own nights; none of them is typed in."""

    history: int = Field(default=90, ge=14, description="newest nights that limits are learnt from")
    minimum: int = Field(default=21, ge=7, description="nights below which nothing is compared and nothing alarms")
    false_alarms: float = Field(
        default=0.05, gt=0, lt=0.5, description="share of ordinary nights on which a signal may be beyond its limit"
    )
    k: int = Field(default=2, ge=1, description="of the newest n nights, so many beyond the limit raise an alarm")
    n: int = Field(default=3, ge=1, description="and as many nights within it, one after another, resolve the alarm")
    weekdays: int = Field(default=4, ge=1, description="nights of the same weekday that are a night's recent history")
    explained: int = Field(
        default=100, ge=0, le=MAX_REASONS, description="highest predictions of a night that get reasons; 0 for none"
    )
    severities: Severities = Field(default=Severities(), description="of each monitor's alarms")

    @model_validator(mode="after")
    def _check_nights(self) -> Monitoring:
        if self.k > self.n:
            raise ValueError(f"monitoring.k is {self.k}, more than the n of {self.n} nights that it is counted among")
        if self.minimum > self.history:
            raise ValueError(f"monitoring.minimum is {self.minimum}, more than the history of {self.history} nights")
        return self
