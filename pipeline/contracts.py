"""Contracts and suites: what a source's rows and batches must be.

A contract is a pandera ``DataFrameSchema``; it judges rows, one by one.  A suite is a function that lists Great
Expectations; it judges the batch.  Both are named by dotted path in the job's declaration and imported here.

pandera and Great Expectations are imported by the functions that need them, because declarations are read by processes
that validate nothing.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.check_digest import describe_check
from pipeline.digests import digest_json
from pipeline.errors import DeclarationError
from pipeline.expectations import import_great_expectations
from pipeline.job import Source, import_attribute

if TYPE_CHECKING:
    import pandera.pandas as pandera

POSITION = "_row"
"""Column that every frame of source rows carries: the row's position in its delivery, int64."""

REASONS = "reasons"
"""Column that quarantined rows get: why, list of string."""

SEVERITIES = ("critical", "warning", "info")
"""Of expectations: a fault that blocks, a sign of a fault, and drift."""


@dataclass(frozen=True)
class Contract:
    """What every row of a source must be.

    Attributes:
        schema: the declaration.  Columns are of a type that Arrow holds without loss: integers, floats, booleans
            (numpy's, or pandas' nullable ones), ``str`` and timestamps in UTC.
    """

    schema: pandera.DataFrameSchema

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the declaration."""
        return tuple(self.schema.columns)

    @cached_property
    def dtypes(self) -> dict[str, Any]:
        """The pandas or numpy dtype of every column."""
        return {name: column.dtype.type for name, column in self.schema.columns.items()}

    def arrow_schema(self) -> pa.Schema:
        """The physical types that a delivery is cast to.  Every field may be null: nulls are the rows' verdict."""
        return pa.schema([pa.field(name, _arrow_type(dtype)) for name, dtype in self.dtypes.items()])

    def select(self, columns: Collection[str]) -> Contract:
        """The same contract of fewer columns, for reading rows that were judged before."""
        return Contract(self.schema.select_columns([name for name in self.columns if name in columns]))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the definition: columns, dtypes, nullability, and checks with parameters and code."""
        return digest_json(
            {
                "columns": [
                    {
                        "name": name,
                        "dtype": str(column.dtype),
                        "nullable": column.nullable,
                        "metadata": repr(column.metadata),
                        "checks": [describe_check(check) for check in column.checks],
                    }
                    for name, column in self.schema.columns.items()
                ],
                "checks": [describe_check(check) for check in self.schema.checks],
            }
        )

    def may_be_infinite(self, column: str) -> bool:
        """Whether the column's metadata says ``infinite=True``; infinity is refused everywhere else."""
        return bool((self.schema.columns[column].metadata or {}).get("infinite", False))


@dataclass(frozen=True)
class Suite:
    """The expectations of one source, of three severities.

    ``critical`` blocks the run.  ``warning`` says that there seems to be a fault in the data: the run goes on, and
    somebody should look.  ``info`` says that the world is not as it was, as in a storm: it is reported as drift, and is
    no alarm.

    Attributes:
        batch: over the validated rows, all of them while they fit the bound of :func:`pipeline.stages.judge_batch`.
            Expectations about the number of rows belong in ``profile``, which is exact.
        profile: over the one row of :func:`pipeline.stages.profile.profile_table`.
    """

    batch: Sequence[Any] = ()
    profile: Sequence[Any] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch", tuple(self.batch))
        object.__setattr__(self, "profile", tuple(self.profile))

    @property
    def profile_columns(self) -> tuple[str, ...]:
        """Columns of the profile table that expectations look at, once each."""
        columns = [column for item in self.profile if isinstance(column := getattr(item, "column", None), str)]
        return tuple(dict.fromkeys(columns))

    def without(self, columns: Collection[str]) -> Suite:
        """The suite less the expectations over these columns of the profile table."""
        return Suite(self.batch, [item for item in self.profile if getattr(item, "column", None) not in columns])

    @property
    def digest(self) -> str:
        """SHA-256 of every expectation's type, arguments and severity, and of the version that evaluates them."""
        return digest_json(
            {
                "great_expectations": importlib.metadata.version("great_expectations"),
                "batch": [describe_expectation(item) for item in self.batch],
                "profile": [describe_expectation(item) for item in self.profile],
            }
        )


def describe_expectation(expectation: Any) -> dict[str, Any]:
    """Type, arguments and severity of an expectation, as JSON."""
    configuration = expectation.configuration.to_json_dict()
    return {
        "expectation": configuration["type"],
        "expected": {name: value for name, value in configuration["kwargs"].items() if name != "batch_id"},
        "severity": str(configuration.get("severity", SEVERITIES[0])),
    }


@cache
def load_contract(source: Source) -> Contract:
    """Import and check the contract of ``source``.

    Raises:
        DeclarationError: there is no such schema, or it declares what cannot be judged row by row.
    """
    from pandera.pandas import DataFrameSchema  # noqa: PLC0415 - takes half a second

    schema = import_attribute(source.contract)
    if not isinstance(schema, DataFrameSchema):
        raise _wrong(source, "it is not a pandera DataFrameSchema", found=type(schema).__name__)
    for problem in (*_schema_problems(schema, source), *_policy_problems(schema, source)):
        raise _wrong(source, problem)
    return Contract(schema)


def load_suite(source: Source, trailing: int) -> Suite | None:
    """Build the suite of ``source`` for a night with ``trailing`` earlier partitions to compare with.

    Returns None for a source without a suite.  Imports Great Expectations, which takes seconds.

    Raises:
        DeclarationError: the path names no function that returns a :class:`Suite` of blocking or warning expectations.
    """
    if source.suite is None:
        return None
    import_great_expectations()
    build: Callable[[int], Suite] = import_attribute(source.suite)
    suite = build(trailing)
    if not isinstance(suite, Suite):
        raise _wrong(source, "the suite's function did not return a Suite", found=type(suite).__name__)
    for problem in _suite_problems(suite):
        raise _wrong(source, problem)
    return suite


def _schema_problems(schema: pandera.DataFrameSchema, source: Source) -> Iterator[str]:
    """What the schema says that a verdict per row could not honour, so that no declaration is silently ignored."""
    if not schema.columns:
        yield "it declares no columns"
    whole = {
        "index": schema.index is not None,
        "coerce": schema.coerce,
        "parsers": bool(schema.parsers),
        "dtype": schema.dtype is not None,
        "drop_invalid_rows": schema.drop_invalid_rows,
        "add_missing_columns": schema.add_missing_columns,
        "unique (other than the source's key)": bool(schema.unique) and set(schema.unique) != set(source.key),
    }
    yield from (f"a contract cannot declare {what}" for what, declared in whole.items() if declared)
    yield from _check_problems("the schema", schema.checks)
    for name, column in schema.columns.items():
        yield from _column_problems(str(name), column)
    for name in source.key:
        yield from _required_problems(schema, name, "is part of the key")
    if source.event_time is not None:
        yield from _required_problems(schema, source.event_time, "is the event time")
        if source.event_time in schema.columns and not str(schema.columns[source.event_time].dtype).endswith("UTC]"):
            yield f"{source.event_time} is the event time, but not a timestamp in UTC"


def _policy_problems(schema: pandera.DataFrameSchema, source: Source) -> Iterator[str]:
    """What the source's policy says of columns that do not exist, or of types that do not."""
    for name in source.schema_policy.known_columns:
        if name in schema.columns:
            yield f"{name} cannot be left out on purpose: it is a column of the contract"
    for cast in source.schema_policy.casts:
        if cast.column not in schema.columns:
            yield f"a cast of {cast.column} is declared, but the contract has no such column"
        yield from (
            f"{cast.column} may not come as {kind}: no Arrow type with a zone or without parameters is called that"
            for kind in cast.types
            if not _is_plain_alias(kind)
        )


def _is_plain_alias(kind: str) -> bool:
    try:
        pa.type_for_alias(kind)
    except ValueError:
        return False
    return True


def _column_problems(name: str, column: Any) -> Iterator[str]:
    if name in (POSITION, REASONS):
        yield f"the column name {name} is taken"
    refused = {
        "regex": column.regex,
        "coerce": column.coerce,
        "parsers": bool(column.parsers),
        "default": column.default is not None,
        "unique (make it the source's key)": column.unique,
        "required=False": not column.required,
    }
    yield from (f"{name} cannot declare {what}" for what, declared in refused.items() if declared)
    if column.dtype is None or _arrow_type(column.dtype.type) is None:
        yield f"{name} has dtype {column.dtype}; use an integer, a float, a boolean, str or datetime64[us, UTC]"
    yield from _check_problems(name, column.checks)


def _check_problems(where: str, checks: Sequence[Any]) -> Iterator[str]:
    for check in checks:
        if check.groupby is not None:
            yield f"{where} has a check over groups ({check.name}); it belongs in the suite"
        if check.raise_warning:
            yield f"{where} has a check that only warns ({check.name}); it belongs in the suite"


def _required_problems(schema: pandera.DataFrameSchema, name: str, role: str) -> Iterator[str]:
    if name not in schema.columns:
        yield f"{name} {role}, but the contract has no such column"
    elif schema.columns[name].nullable:
        yield f"{name} {role}, but the contract lets it be missing"


def _suite_problems(suite: Suite) -> Iterator[str]:
    for item in (*suite.batch, *suite.profile):
        if not hasattr(item, "configuration"):
            yield f"{item!r} is not an expectation"
    for item in suite.batch:
        if type(item).__name__.startswith("ExpectTableRowCount"):
            yield f"{type(item).__name__} belongs in profile: the batch may be a sample"


def _arrow_type(dtype: Any) -> pa.DataType | None:
    """The Arrow type that holds ``dtype`` without loss, None for a dtype that contracts do not use."""
    if isinstance(dtype, pd.ArrowDtype):
        return None
    if isinstance(dtype, pd.StringDtype):
        return pa.string()
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pa.timestamp(dtype.unit, "UTC") if str(dtype.tz) == "UTC" else None
    numpy_dtype = getattr(dtype, "numpy_dtype", dtype)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "iufb":
        return pa.from_numpy_dtype(numpy_dtype)
    return None


def _wrong(source: Source, problem: str, found: str | None = None) -> DeclarationError:
    return DeclarationError(
        f"the contract or suite of source {source.name!r} is declared wrongly: {problem}",
        expected=f"contract {source.contract}" + (f", suite {source.suite}" if source.suite else ""),
        found=found,
        next_step="correct the declaration",
    )
