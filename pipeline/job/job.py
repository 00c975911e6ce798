"""The declaration of a scoring job."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from pipeline.errors import DeclarationError
from pipeline.job.declaration import Declaration, DottedPath, EmailAddress, Name, TimezoneName
from pipeline.job.monitoring import Monitoring
from pipeline.job.releases import Priors, ReleaseGate, Retention
from pipeline.job.sources import Role, Source
from pipeline.job.training import Label, Training


class Owner(Declaration):
    """Who is told when the job breaks."""

    name: str
    email: EmailAddress
    escalation: EmailAddress | None = Field(
        default=None, description="address that is told of critical alerts as well; None: nobody else"
    )


class Job(Declaration):
    """One scoring use case: what goes in, what it means, who answers for it and what is too much."""

    name: Name
    description: str
    owner: Owner
    task: Literal["binary", "regression"]
    timezone: TimezoneName
    close_after: timedelta = Field(description="from midnight in the job's timezone until the partition is closed")
    patience: timedelta = Field(description="how long after the cutoff a delivery may still be waited for")
    first_partition: date = Field(description="the first day that upstream has")
    last_partition: date | None = Field(default=None, description="the last day that upstream has, where it has ended")
    sources: tuple[Source, ...]
    feature_set: DottedPath
    model: DottedPath = Field(description="function(seed) -> unfitted scikit-learn estimator over the feature columns")
    label: Label
    training: Training
    trailing_profiles: int = Field(default=14, ge=0, description="partitions that a batch is compared with")
    score_range: tuple[float, float] = (0.0, 1.0)
    decimals: int = Field(default=6, ge=0, le=9, description="digits after the point that a prediction keeps")
    max_age: timedelta | None = Field(default=None, description="age of the live generation that readers call stale")
    upstream: DottedPath | None = Field(default=None, description="demo data: class that makes this job's deliveries")
    priors: Priors | None = Field(
        default=None, description="for entities that are not in the population; none for no prior"
    )
    decision_threshold: float | None = Field(default=None, description="prediction from which applications act on it")
    business_cost: DottedPath | None = Field(
        default=None, description="function(labels, scores) -> cost of each row in the job's own unit; lower is better"
    )
    cost_unit: str = Field(default="", description="what the business cost is counted in, such as EUR")
    tuned_before: date | None = Field(
        default=None, description="features and parameters were chosen on nights before this day; None: not said"
    )
    segments: tuple[str, ...] = Field(
        default=(), description="population columns by which releases and models are compared"
    )
    release_gate: ReleaseGate | None = Field(
        default=None, description="what a release is held against before it is live"
    )
    monitoring: Monitoring = Field(default=Monitoring(), description="how what is served is watched")
    retention: Retention = Field(default=Retention(), description="how long what nothing needs any more is kept")

    @model_validator(mode="after")
    def _check_sources(self) -> Job:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"source names repeat: {names}")
        if sum(source.role is Role.POPULATION for source in self.sources) != 1:
            raise ValueError("exactly one source must have the role population")
        if len(self.population.key) != 1:
            raise ValueError("the population's key must be one column, the entity id")
        if self.population.may_be_empty:
            raise ValueError("a population may not be empty: nothing would be left to publish")
        if self.label.source not in names:
            raise ValueError(f"the label's source {self.label.source!r} is not one of {names}")
        reported = self.source(self.label.source)
        if reported.role is not Role.EVENTS or reported.key != self.population.key:
            raise ValueError(f"the label's source must be events with the key {self.population.key}: one row an entity")
        return self

    @model_validator(mode="after")
    def _check_gate(self) -> Job:
        gate = self.release_gate
        if gate is not None and gate.max_flipped is not None and self.decision_threshold is None:
            raise ValueError("release_gate.max_flipped needs a decision_threshold: nothing is decided without one")
        if gate is not None and (gate.max_lost, gate.max_flipped, gate.max_shift) == (None, None, None):
            raise ValueError("release_gate holds no limit: give one, or declare no gate")
        return self

    @model_validator(mode="after")
    def _check_training(self) -> Job:
        if self.training.calibration is not None and self.task != "binary":
            raise ValueError("training.calibration is for probabilities, and the task is a regression")
        nights, kept = self.training.shadow_nights, self.retention.nights
        if nights and nights + self.label.closes_after >= kept:
            raise ValueError(
                f"retention.nights is {kept}, and the scores of {nights} training.shadow_nights are needed until their "
                f"labels have closed: it must be more than {nights + self.label.closes_after}"
            )
        return self

    @property
    def population(self) -> Source:
        """The source whose rows get a score."""
        return next(source for source in self.sources if source.role is Role.POPULATION)

    @property
    def entity_id(self) -> str:
        """Name of the population's entity id column."""
        return self.population.key[0]

    @property
    def gap(self) -> int:
        """Partitions between those that a model is trained on and the holdout."""
        return self.label.closes_after if self.training.gap is None else self.training.gap

    def source(self, name: str) -> Source:
        """The source called ``name``.

        Raises:
            DeclarationError: the job has no such source.
        """
        for source in self.sources:
            if source.name == name:
                return source
        raise DeclarationError(
            f"the job has no source {name!r}",
            job=self.name,
            expected="one of " + ", ".join(source.name for source in self.sources),
            next_step="correct the name in the job's declaration or feature set",
        )

    def cutoff(self, partition: date) -> datetime:
        """The moment (UTC) at which ``partition`` counts as closed."""
        zone = ZoneInfo(self.timezone)
        midnight = datetime.combine(partition + timedelta(days=1), time(), zone)
        return (midnight + self.close_after).astimezone(ZoneInfo("UTC"))
