"""Judge a batch: Great Expectations over the validated rows and over the profile of the partition.

Expectations over the profile have seen every row.  Those over the batch see every row while there are at most
``SAMPLE_ROWS``, and a uniform sample of that size beyond it; the verdict says which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.contracts import POSITION, SEVERITIES, Suite, describe_expectation
from pipeline.errors import BadInputError
from pipeline.expectations import import_great_expectations, open_datasource

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.pandas_datasource import PandasDatasource

SAMPLE_ROWS = 200_000
"""Rows that expectations over the batch see at the most."""

_RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
"""Counts and aggregates; no list of unexpected values, which would carry rows into logs and docs."""

_EXTREMES = frozenset({"expect_column_max_to_be_between", "expect_column_min_to_be_between"})
"""What they observe is no aggregate but the value of one row."""

_COUNTS = ("element_count", "missing_count", "unexpected_count", "unexpected_percent")
_ERROR_CLASS = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception))\b", re.MULTILINE)


@dataclass(frozen=True)
class BatchVerdict:
    """What the suite says of a batch.

    Attributes:
        success: whether nothing blocks.
        blocking: failures that stop the run, in words.  An expectation that could not be evaluated is among them,
            whatever its severity, and so is a batch of which fewer rows were seen than planned.
        warnings: failures that say that there seems to be a fault in the data.
        planned, evaluated: expectations of the suite, and those that came to a result.
        rows: valid rows of the partition.
        rows_planned, rows_seen: rows that expectations over the batch were to see, and that Great Expectations counted.
        sampled: whether those were a sample.
        results: a JSON object an expectation: over (``batch`` or ``profile``), expectation, column, severity, success,
            observed, expected, note.  No value of a row is among them.
        drifts: failures that say that the world is not as it was.
    """

    success: bool
    blocking: tuple[str, ...]
    warnings: tuple[str, ...]
    planned: int
    evaluated: int
    rows: int
    rows_planned: int
    rows_seen: int
    sampled: bool
    results: tuple[dict[str, Any], ...]
    drifts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal verdict."""
        return {
            **asdict(self),
            "blocking": list(self.blocking),
            "warnings": list(self.warnings),
            "drifts": list(self.drifts),
            "results": list(self.results),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BatchVerdict:
        """The verdict that ``value`` was made from."""
        lists = {name: tuple(value[name]) for name in ("blocking", "warnings", "drifts", "results")}
        return cls(**{**value, **lists})


def take_sample(rows: pd.DataFrame, most: int = SAMPLE_ROWS) -> pd.DataFrame:
    """At most ``most`` rows, chosen uniformly by their position in the delivery, in the order they came.

    The rows with the lowest hashes of ``_row`` are taken, so the choice depends on nothing else, and a sample of the
    shards' samples put together is the sample of the whole.
    """
    if len(rows) <= most:
        return rows
    hashes = _hash_positions(rows[POSITION].to_numpy(dtype=np.uint64))
    return rows.iloc[np.sort(np.argpartition(hashes, most)[:most])]


def choose_candidates(rows: pa.Table, whole: int, most: int = SAMPLE_ROWS) -> pa.Table:
    """The rows that :func:`take_sample` may choose of all ``whole`` rows: little more than their share.

    Hashes are as good as random: ten standard deviations of the number below the cut are left for chance.

    Args:
        rows: of a shard, with ``_row``.
    """
    share = (most + 10 * math.sqrt(most) + 100) / max(whole, 1)
    if share >= 1:
        return rows
    return rows.filter(_hash_positions(rows[POSITION].to_numpy().astype(np.uint64)) < np.uint64(share * 2.0**64))


def are_enough(candidates: pa.Table, whole: int, most: int = SAMPLE_ROWS) -> bool:
    """Whether the sample of all ``whole`` rows is that of the candidates, though they were chosen of more rows."""
    return bool(candidates.num_rows >= min(whole, most))


def judge_batch(
    suite: Suite, sample: pd.DataFrame, rows: int, table: pd.DataFrame, *, may_be_empty: bool = False
) -> BatchVerdict:
    """Evaluate every expectation of ``suite``.

    Args:
        sample: valid rows, as of :func:`take_sample` over the whole batch.
        rows: how many valid rows the batch has.
        table: the row of :func:`pipeline.stages.profile.profile_table`.
        may_be_empty: a batch without rows passes unseen; otherwise it fails.
    """
    if rows == 0:
        planned = 0 if may_be_empty else len(suite.batch) + len(suite.profile)
        empty = () if may_be_empty else ("the batch has no valid rows",)
        return BatchVerdict(may_be_empty, empty, (), planned, 0, 0, 0, 0, sampled=False, results=())
    datasource = open_datasource()
    over_batch, rows_seen = _evaluate(datasource, "batch", suite.batch, suite.batch, sample)
    over_profile, _ = _evaluate(datasource, "profile", suite.profile, [*map(_for_one_row, suite.profile)], table)
    results = over_batch + over_profile
    evaluated = sum(result["evaluated"] for result in results)
    rows_planned = min(rows, SAMPLE_ROWS) if suite.batch else 0
    failures: dict[str, list[str]] = {severity: [] for severity in SEVERITIES}
    blocking, warnings, drifts = failures.values()
    if evaluated < len(results):
        blocking.append(f"only {evaluated} of {len(results)} expectations could be evaluated")
    if rows_seen < rows_planned:
        blocking.append(f"only {rows_seen} of the {rows_planned} rows planned were seen")
    for result in results:
        if not result["success"]:
            severity = result["severity"] if result["evaluated"] else SEVERITIES[0]
            failures[severity].append(_describe_failure(result))
    return BatchVerdict(
        not blocking,
        tuple(blocking),
        tuple(warnings),
        len(results),
        evaluated,
        rows,
        rows_planned,
        rows_seen,
        sampled=rows > SAMPLE_ROWS,
        results=tuple(results),
        drifts=tuple(drifts),
    )


def check_verdict(verdict: BatchVerdict, *, job: str, partition: str, source: str) -> None:
    """Refuse a batch whose verdict blocks.

    Raises:
        BadInputError: naming every failure that blocks.
    """
    if verdict.success:
        return
    raise BadInputError(
        f"source {source!r}: the batch broke its suite",
        job=job,
        partition=partition,
        expected=f"{verdict.planned} expectations evaluated and none that blocks failed",
        found="; ".join(verdict.blocking),
        next_step="look at the partition's Data Docs, have the source delivered again, and run the partition again; "
        "the predictions that are live stay as they are",
    )


def _for_one_row(expectation: Any) -> Any:
    """What says the same of a single row for half the work: its values lie in a range where its largest one does."""
    gx = import_great_expectations()
    if type(expectation) is not gx.expectations.ExpectColumnValuesToBeBetween or expectation.row_condition is not None:
        return expectation
    limits = ("column", "min_value", "max_value", "strict_min", "strict_max", "severity")
    return gx.expectations.ExpectColumnMaxToBeBetween(**{name: getattr(expectation, name) for name in limits})


def _evaluate(
    datasource: PandasDatasource,
    over: str,
    expectations: Sequence[Any],
    evaluated: Sequence[Any],
    frame: pd.DataFrame,
) -> tuple[list[dict[str, Any]], int]:
    """A result for every expectation, in order, and the rows that Great Expectations counted.

    Args:
        evaluated: what is evaluated in the place of each expectation, itself or its equal.
    """
    if not expectations:
        return [], 0
    gx = import_great_expectations()
    definition = datasource.add_dataframe_asset(over).add_batch_definition_whole_dataframe(over)
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    count_rows = gx.expectations.ExpectTableRowCountToEqual(value=len(frame))
    configurations = [item.configuration for item in (*evaluated, count_rows)]
    for number, configuration in enumerate(configurations):
        configuration.meta = {"number": number}  # results come back in another order, or not at all
    outcome = batch.validate(gx.ExpectationSuite(name=over, expectations=configurations), result_format=_RESULT_FORMAT)
    found = {result.expectation_config.meta["number"]: result for result in outcome.results}
    results = [_read_result(over, item, found.get(number), frame) for number, item in enumerate(expectations)]
    counted = found.get(len(expectations))
    return results, int(counted.result.get("observed_value", 0)) if counted is not None else 0


def _read_result(over: str, expectation: Any, found: Any, frame: pd.DataFrame) -> dict[str, Any]:
    column = getattr(expectation, "column", None)
    result = {"over": over, **describe_expectation(expectation), "column": column, "observed": {}, "note": None}
    if column is not None and column not in frame.columns:
        return {**result, "evaluated": False, "success": False, "note": f"there is no column {column}"}
    if found is None:
        return {**result, "evaluated": False, "success": False, "note": "it was not evaluated"}
    raised = _error_classes(found.exception_info)
    if raised:
        return {**result, "evaluated": False, "success": False, "note": f"it raised {', '.join(raised)}"}
    if over == "batch" and result["expectation"] in _EXTREMES:
        note = None if found.success else "the extreme is a value of a row, which is not told"
        return {**result, "evaluated": True, "success": bool(found.success), "note": note}
    observed = _observed(found.result)
    if over == "profile" and column is not None:
        value = float(frame[column].iloc[0])
        observed = {"value": _number(value)}  # counts over one row say nothing
        if math.isnan(value):
            return {**result, "evaluated": True, "success": False, "observed": observed, "note": "there is no value"}
    return {**result, "evaluated": True, "success": bool(found.success), "observed": observed}


def _observed(result: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and aggregates of a result; text and lists may be values of rows and stay out."""
    observed = {name: _number(result[name]) for name in _COUNTS if result.get(name) is not None}
    value = result.get("observed_value")
    if isinstance(value, dict) and {"quantiles", "values"} <= value.keys():
        value = dict(zip(map(str, value["quantiles"]), map(_number, value["values"]), strict=True))
    elif isinstance(value, list | tuple | set):
        return {**observed, "distinct_values": len(value)}
    else:
        value = _number(value)
    return observed if value is None else {**observed, "value": value}


def _number(value: Any) -> Any:
    """A JSON number, "infinity" or "-infinity" for those, and None for what is no number."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if not isinstance(value, float | np.floating) or math.isnan(value):
        return None
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    return float(value)


def _error_classes(exception_info: Mapping[str, Any] | None) -> list[str]:
    """Names of the errors behind a result; their messages may hold values of rows.  Empty if none was raised."""
    if not exception_info:
        return []
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    raised = [info for info in infos if info["raised_exception"]]
    classes = [
        name.rpartition(".")[2] for info in raised for name in _ERROR_CLASS.findall(str(info["exception_traceback"]))
    ]
    return list(dict.fromkeys(classes)) or ["an error"] * bool(raised)


def _describe_failure(result: Mapping[str, Any]) -> str:
    """Such as ``profile rows_ratio: values to be between (min_value 0.5, max_value 2): found value 0.1``."""
    expected = ", ".join(f"{name} {value}" for name, value in result["expected"].items() if name != "column")
    found = result["note"] or "found " + ", ".join(f"{name} {value}" for name, value in result["observed"].items())
    subject = f"{result['over']} {result['column']}" if result["column"] else result["over"]
    name = result["expectation"].removeprefix("expect_").removeprefix("column_").replace("_", " ")
    return f"{subject}: {name} ({expected}): {found}" if expected else f"{subject}: {name}: {found}"


def _hash_positions(positions: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection: no two positions have the same hash."""
    mixed = positions + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
