"""What goes in: upstream tables, delivered by partition."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from pipeline.job.declaration import Declaration, DottedPath, Name


class Role(StrEnum):
    """What a source is to the job."""

    POPULATION = "population"
    EVENTS = "events"
    DIMENSION = "dimension"


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
