"""Validate: a verdict for every row, with every reason.

The contract's pandera checks are evaluated one by one into positional masks of this module's own.  ``schema.validate``
would report failures by index label, which is wrong for repeated labels, and takes hundreds of times longer when many
rows fail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contracts import POSITION, REASONS, Contract
from pipeline.errors import BadInputError, DamagedError
from pipeline.stages.row_checks import Mask, Refusals, check_columns, check_entity_ids, check_keys, check_text

MAX_REASONS = 10
"""Reasons kept of one row; those beyond are only counted."""

SHOWN_REASONS = 5
"""Reasons named in an error."""

MORE_REASONS = re.compile(r"and \d+ more")

REASONS_TYPE = pd.ArrowDtype(pa.list_(pa.string()))

_accepted_shapes: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
"""Contracts and the dtypes that pandera has found to be theirs: it takes a tenth of a second, for every shard."""


@dataclass(frozen=True)
class Verdict:
    """The rows of a frame, divided.

    Attributes:
        refused: true for every row that is quarantined, by position.
        valid: the contract's columns in its dtypes, and ``_row``.
        quarantined: the same columns, in dtypes that hold what came, ``_row``, and ``reasons``, a list of strings.
    """

    refused: Mask
    valid: pd.DataFrame
    quarantined: pd.DataFrame


def frame_from_arrow(table: pa.Table, contract: Contract) -> pd.DataFrame:
    """The rows of ``table`` as a frame with the contract's columns and ``_row``, unchecked.

    Dtypes are those of the contract, except that integers and booleans declared without missing values get pandas'
    nullable dtype, since what came may have some; :func:`judge_rows` returns valid rows in the declared dtypes.  A null
    float becomes NaN.  Bytes that are not UTF-8 become U+FFFD, which no valid row may hold.

    Raises:
        BadInputError: a column is missing or not of the contract's Arrow type.
        DamagedError: the frame has another number of rows than the table.
    """
    physical = contract.arrow_schema()
    _check_types(table.schema, physical)
    columns = {
        name: _series_from_arrow(table.column(name), unchecked_dtype(dtype)) for name, dtype in contract.dtypes.items()
    }
    columns[POSITION] = pd.Series(table.column(POSITION).to_numpy())
    frame = pd.DataFrame(columns)
    if len(frame) != table.num_rows:
        raise DamagedError(
            "rows were lost on the way out of Arrow", expected=str(table.num_rows), found=str(len(frame))
        )
    return frame


def unchecked_dtype(dtype: np.dtype | pd.api.extensions.ExtensionDtype) -> np.dtype | pd.api.extensions.ExtensionDtype:
    """The dtype in which a column of ``dtype`` is held before its rows are judged: one that knows missing values."""
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return pd.Series([], dtype=dtype).convert_dtypes().dtype
    return dtype


def judge_rows(
    rows: pd.DataFrame,
    contract: Contract,
    *,
    key: tuple[str, ...],
    event_time: str | None = None,
    cutoff: datetime | None = None,
    entity_id: str | None = None,
) -> Verdict:
    """Divide ``rows`` into valid and quarantined ones.

    Args:
        rows: unchecked rows as of :func:`frame_from_arrow`, in any order and under any index.  All rows of one key must
            be in the same frame.
        contract: what every row must be.
        key: columns that together identify a row.  Of identical rows the first by ``_row`` stays; rows of one key that
            differ are all refused.  Rows from after the cutoff are not known yet and contradict nothing.
        event_time: UTC timestamp column; rows at or after ``cutoff`` are refused.
        cutoff: when the partition closed.
        entity_id: column that must hold an entity id, as the Redis contract allows it.

    Raises:
        BadInputError: a column is missing or of another dtype.
        DeclarationError: a check of the contract does not judge rows.
        DamagedError: valid and quarantined rows do not add up to the rows that came.
    """
    _check_dtypes(rows, contract)
    rows = rows[[*contract.columns, POSITION]].reset_index(drop=True)
    refusals = Refusals(len(rows))
    check_text(rows, contract, refusals)
    check_columns(rows, contract, refusals)
    if entity_id is not None:
        check_entity_ids(rows[entity_id], refusals)
    known = np.ones(len(rows), dtype=bool)
    if event_time is not None:
        if cutoff is None:
            raise ValueError("rows with an event time are judged by a cutoff")
        known = ~(rows[event_time] >= pd.Timestamp(cutoff)).to_numpy(dtype=bool)
        refusals.add("became known after the cutoff", ~known)
    check_keys(rows, contract, key, known, refusals)
    return _divide(rows, contract, refusals)


def count_reasons(quarantined: pd.DataFrame) -> dict[str, int]:
    """How many quarantined rows have each reason; counts of several shards may be added up."""
    counted = pc.value_counts(pc.list_flatten(pa.chunked_array(pa.array(quarantined[REASONS]))))
    counts = {item["values"].as_py(): item["counts"].as_py() for item in counted}
    return {reason: count for reason, count in counts.items() if not MORE_REASONS.fullmatch(reason)}


def check_quarantine_share(
    received: int,
    quarantined: int,
    limit: float,
    *,
    job: str,
    partition: str,
    source: str,
    reasons: Mapping[str, int],
) -> None:
    """Refuse a partition of which more than the share ``limit`` was quarantined.

    Args:
        reasons: rows per reason, as of :func:`count_reasons`.

    Raises:
        BadInputError: naming the most frequent reasons and never a value of a row.
    """
    if quarantined <= limit * received:
        return
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    shown = "; ".join(f"{reason} ({count} rows)" for reason, count in ranked[:SHOWN_REASONS])
    more = f"; and {len(ranked) - SHOWN_REASONS} more reasons" if len(ranked) > SHOWN_REASONS else ""
    share = "every row" if quarantined == received else f"{quarantined / received:.2%} of the rows"
    raise BadInputError(
        f"source {source!r}: {share} broke the contract",
        job=job,
        partition=partition,
        expected=f"at most {limit:.2%} of {received} rows quarantined",
        found=f"{quarantined} quarantined: {shown}{more}",
        next_step="look at the quarantined rows, have the source delivered again, and run the partition again; "
        "the predictions that are live stay as they are",
    )


def _check_types(found: pa.Schema, expected: pa.Schema) -> None:
    wrong = [
        f"{field.name} is {found.field(field.name).type if field.name in found.names else 'missing'}"
        for field in [*expected, pa.field(POSITION, pa.int64())]
        if field.name not in found.names or found.field(field.name).type != field.type
    ]
    if wrong:
        raise BadInputError(
            "the rows do not have the contract's columns",
            expected=", ".join(f"{field.name} {field.type}" for field in expected),
            found="; ".join(wrong),
            next_step="have the source delivered with these columns, or change its contract",
        )


def _series_from_arrow(column: pa.ChunkedArray, dtype: np.dtype | pd.api.extensions.ExtensionDtype) -> pd.Series:
    if isinstance(dtype, pd.StringDtype):
        return pd.Series(_as_utf8(column), dtype=dtype)
    if isinstance(dtype, np.dtype):
        return pd.Series(column.to_numpy(), dtype=dtype)
    from_arrow = getattr(dtype, "__from_arrow__")  # noqa: B009 - not in the stubs of every extension dtype
    return pd.Series(from_arrow(column), dtype=dtype)


def _as_utf8(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The strings of ``column``; Parquet files may hold bytes that are no text, and Arrow does not look."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        texts = [
            None if content is None else content.decode(errors="replace")
            for content in column.cast(pa.binary()).to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column


def _check_dtypes(rows: pd.DataFrame, contract: Contract) -> None:
    """Let pandera compare columns and dtypes, once; the unchecked dtype of a declared one is as good."""
    shape = contract.digest, tuple((str(name), str(dtype)) for name, dtype in rows.dtypes.items())
    if shape in _accepted_shapes:
        return
    import pandera.pandas as pandera  # noqa: PLC0415 - takes half a second

    empty = rows.iloc[:0]
    present = {name: dtype for name, dtype in contract.dtypes.items() if name in empty.columns}
    accepted = {name: dtype for name, dtype in present.items() if empty[name].dtype == unchecked_dtype(dtype)}
    columns: dict[str, pandera.Column] = {
        name: pandera.Column(column.dtype, nullable=True) for name, column in contract.schema.columns.items()
    }
    columns[POSITION] = pandera.Column("int64")
    try:
        pandera.DataFrameSchema(columns).validate(empty.astype(accepted), lazy=True)
    except pandera.errors.SchemaErrors as error:
        found = [f"{case.schema_context}: {case.failure_case}" for case in error.failure_cases.itertuples()]
        wrong = [name for name in columns if name not in empty.columns or str(empty[name].dtype) in " ".join(found)]
        raise BadInputError(
            "the rows do not have the contract's columns",
            expected=", ".join(f"{name} {column.dtype}" for name, column in columns.items() if name in wrong),
            found=", ".join(f"{name} {empty[name].dtype if name in empty.columns else 'missing'}" for name in wrong),
            next_step="have the source delivered with these columns, or change its contract",
        ) from error
    _accepted_shapes.add(shape)


def _divide(rows: pd.DataFrame, contract: Contract, refusals: Refusals) -> Verdict:
    refused = refusals.any()
    valid = rows[~refused].reset_index(drop=True) if refused.any() else rows
    valid = valid.astype({name: dtype for name, dtype in contract.dtypes.items() if valid[name].dtype != dtype})
    quarantined = rows[refused].reset_index(drop=True)
    quarantined[REASONS] = pd.Series(refusals.lists(MAX_REASONS), dtype=REASONS_TYPE)
    if not (
        np.array_equal(valid[POSITION].to_numpy(), rows[POSITION].to_numpy()[~refused])
        and np.array_equal(quarantined[POSITION].to_numpy(), rows[POSITION].to_numpy()[refused])
    ):
        raise DamagedError(
            "valid and quarantined rows do not add up to the rows received",
            expected=f"{len(rows)} rows",
            found=f"{len(valid)} valid and {len(quarantined)} quarantined",
            next_step="report this: it is a fault of the pipeline, not of the data",
        )
    return Verdict(refused, valid, quarantined)
