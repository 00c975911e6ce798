"""What a scoring job declares: plain data, checked when it is built.

Contracts, feature sets and models are named by dotted path (``package.module:attribute``) and imported by the task that
needs them, so that reading a declaration costs nothing.
"""

from __future__ import annotations

import importlib
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipeline.errors import DeclarationError

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _check_dotted_path(path: str) -> str:
    module, _, attribute = path.partition(":")
    if not module or not attribute.isidentifier():
        raise ValueError(f"{path!r} is not of the form package.module:attribute")
    return path


def _check_timezone(name: str) -> str:
    ZoneInfo(name)
    return name


DottedPath = Annotated[str, AfterValidator(_check_dotted_path)]
TimezoneName = Annotated[str, AfterValidator(_check_timezone)]


class Declaration(BaseModel):
    """Base of everything a job is declared with: frozen, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Role(StrEnum):
    """What a source is to the job."""

    POPULATION = "population"
    EVENTS = "events"
    DIMENSION = "dimension"


class Owner(Declaration):
    """Who is told when the job breaks."""

    name: str
    email: str


class Cast(Declaration):
    """Other types that a column may come in.  Every value must survive the way to the contract's type and back."""

    column: str
    types: tuple[str, ...] = Field(description="Arrow types, such as string or int32; with none, only the contract's")


class SchemaPolicy(Declaration):
    """What upstream may change about the columns of a source before its deliveries are refused.

    Whatever it says, a missing column is refused, a value that a cast would change, and a time without a zone.
    """

    new_columns: Literal["ignore", "refuse"] = Field(
        default="ignore",
        description="what becomes of columns that the contract does not name; ignored ones are never read",
    )
    known_columns: tuple[str, ...] = Field(default=(), description="columns left out on purpose: never new")
    casts: tuple[Cast, ...] = Field(default=(), description="the other types that single columns may come in")
    other_casts: Literal["lossless", "refuse"] = Field(
        default="lossless",
        description="of all other columns: numbers cast to numbers and moments to moments, or nothing",
    )


class Source(Declaration):
    """One upstream table, delivered by partition.

    A population has exactly one row an entity.  Events and populations are delivered for every partition; a dimension
    is a snapshot, and a night takes the newest one delivered for its partition or an earlier one.
    """

    name: Name
    role: Role
    key: tuple[str, ...] = Field(min_length=1, description="columns that together identify a row")
    contract: DottedPath = Field(description="pandera DataFrameSchema: one row")
    suite: DottedPath | None = Field(default=None, description="function that lists Great Expectations: the batch")
    event_time: str | None = Field(
        default=None, description="UTC timestamp column; a row at or after the partition's cutoff is quarantined"
    )
    shards: int = Field(default=1, ge=1, le=1024)
    max_quarantined: float = Field(default=0.02, ge=0, le=1, description="largest share of refused rows")
    may_be_empty: bool = Field(default=False, description="a partition without rows is good news, not a fault")
    measures: DottedPath | None = Field(
        default=None, description="tuple of measures, relations that a delivery must not break; the suite judges them"
    )
    schema_policy: SchemaPolicy = Field(
        default=SchemaPolicy(), description="what upstream may change about the columns"
    )


class Label(Declaration):
    """Where the outcome of an entity appears.

    Ids that come back on later days need ``closes_after=1``: with more, an outcome could be that of a later partition.

    The label of an entity in partition D is read from the deliveries D+1 to D+``closes_after`` of ``source``, matched
    by the population's key.  ``value`` is a column of the source or a function of the feature set.
    """

    source: Name
    value: str
    closes_after: int = Field(ge=1, description="days after the partition until its labels count as complete")


class Training(Declaration):
    """How a challenger is made and compared."""

    window: int = Field(ge=1, description="partitions that a model is trained on, at the most")
    minimum: int = Field(ge=1, description="partitions below which training is refused")
    holdout: int = Field(ge=1, description="newest closed partitions, kept from the challenger and used to compare")
    every: str = Field(default="0 6 * * 1", description="cron schedule of the retraining DAG, in UTC")
    margin: float = Field(default=0.0, ge=0, description="how much worse the primary metric may be and still promote")
    seed: int = 0


class Priors(Declaration):
    """What readers are told of an entity that is not in the population: the mean outcome of the rows trained on."""

    segment: Name | None = Field(
        default=None, description="column of the population: a prior for each of its values, beside the one for all"
    )


class ReleaseGate(Declaration):
    """How far a new generation may be from the live one before somebody has to look at it.

    A limit of None is not held.  Limits hold for the generation as a whole and for every segment of enough entities.
    """

    max_lost: float | None = Field(
        default=None, ge=0, le=1, description="largest share of the live entities that may have no prediction any more"
    )
    max_flipped: float | None = Field(
        default=None, ge=0, le=1, description="largest share of entities in both whose decision may differ"
    )
    max_shift: float | None = Field(
        default=None, ge=0, le=1, description="largest distance (Kolmogorov-Smirnov) between the two distributions"
    )
    on_breach: Literal["block", "ask"] = Field(
        description="refuse the release, or hold it and ask for approval in the Airflow UI"
    )
    ids_recur: bool = Field(
        default=True,
        description="entities come back on later days; if not, a loss is told by counts, and a flip not at all",
    )
    min_segment: int = Field(default=100, ge=1, description="live entities below which a segment is not judged")
    answer_within: timedelta = Field(
        default=timedelta(hours=12), description="time for an approval; after it the release is turned down"
    )
    approvers: tuple[str, ...] = Field(
        default=(), description="Airflow users who may approve; empty: all who may write"
    )


class Retention(Declaration):
    """How long what nothing needs any more is kept; `nightjar retain` removes the rest.

    What a release in Redis, a pin, a model that served or a coming night needs is kept whatever this says.
    """

    nights: int = Field(default=60, ge=1, description="newest released partitions that keep all they were made of")
    deliveries: timedelta = Field(default=timedelta(days=90), description="age of deliveries that newer ones replaced")
    runs: timedelta = Field(default=timedelta(days=180), description="age of run records")
    data_docs: int = Field(default=60, ge=1, description="newest partitions that keep their page of Data Docs")
    logs: timedelta = Field(default=timedelta(days=30), description="age of log files under NIGHTJAR_HOME")


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
    segments: tuple[str, ...] = Field(default=(), description="population columns by which releases are compared")
    release_gate: ReleaseGate | None = Field(
        default=None, description="what a release is held against before it is live"
    )
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

    @property
    def population(self) -> Source:
        """The source whose rows get a score."""
        return next(source for source in self.sources if source.role is Role.POPULATION)

    @property
    def entity_id(self) -> str:
        """Name of the population's entity id column."""
        return self.population.key[0]

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


def import_attribute(path: str) -> Any:
    """Import ``package.module:attribute``.

    Raises:
        DeclarationError: there is no such module or attribute, or what it declares is refused.
    """
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DeclarationError(
            f"{path} cannot be imported", found=str(error), next_step="correct the dotted path in the job's declaration"
        ) from error
