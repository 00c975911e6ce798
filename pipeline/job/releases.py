"""What is served, what a release is held against, and how long things are kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from pipeline.job.declaration import Declaration, Name


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
        default=timedelta(hours=12),
        gt=timedelta(),
        description="time for an approval; after it the release is turned down",
    )
    approvers: tuple[str, ...] = Field(
        default=(), description="names of Airflow users who may approve; empty: all who may write"
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
    monitoring: timedelta = Field(
        default=timedelta(days=400), description="how long before the newest watched night monitoring records are kept"
    )
