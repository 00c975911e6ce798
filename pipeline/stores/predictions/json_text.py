"""Predictions as JSON text, for many rows at once."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import BadInputError
from pipeline.keyspace import MAX_PREDICTION_BYTES


def write_predictions(columns: Sequence[pa.Array], decimals: int | None) -> pa.StringArray:
    """JSON text of every row's prediction.

    Args:
        columns: one array makes scalars (or arrays, if it is an array of lists); several make JSON arrays of their
            values.  Numbers, booleans, strings and lists of these.
        decimals: digits after the point that floats are rounded to; None writes them as they are, in the fewest digits
            that read back as the same number.

    Raises:
        BadInputError: a value is null, not finite, of another type, or its text is longer than 64 bytes.
    """
    texts = [_write_column(column, decimals) for column in columns]
    text = texts[0] if len(texts) == 1 else _bracket(pc.binary_join_element_wise(*texts, ","))
    longest = pc.max(pc.binary_length(text)).as_py() or 0
    if longest > MAX_PREDICTION_BYTES:
        raise BadInputError(
            "a prediction is too long",
            expected=f"at most {MAX_PREDICTION_BYTES} bytes of JSON, so that Redis keeps its buckets small",
            found=f"{longest} bytes",
            next_step="publish fewer columns, shorter categories or fewer decimals",
        )
    return text


def _write_column(column: pa.Array, decimals: int | None) -> pa.StringArray:
    if column.null_count:
        raise BadInputError(
            "a prediction is missing",
            expected="a value in every row",
            found=f"{column.null_count} nulls",
            next_step="find out why the model gave no score for them",
        )
    kind = column.type
    if pa.types.is_floating(kind):
        return _write_floats(column, decimals)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_dictionary(kind):
        return _write_column(pc.cast(column, kind.value_type), decimals)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _write_strings(column)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _write_lists(column, decimals)
    raise BadInputError(
        "predictions of this type cannot be published",
        expected="numbers, booleans, strings, or lists of them",
        found=str(kind),
        next_step="convert them in the job's model",
    )


def _write_floats(column: pa.Array, decimals: int | None) -> pa.StringArray:
    values = column.to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        raise BadInputError(
            "a prediction is not a finite number",
            expected="finite numbers",
            found=f"{int(np.count_nonzero(~np.isfinite(values)))} that are NaN or infinite",
            next_step="find out why the model gave them",
        )
    if decimals is not None:
        values = np.round(values, decimals)
    # Arrow writes the shortest text that reads back as the same number, whatever the locale.  Adding zero makes -0 a 0.
    return pc.cast(pa.array(values + values.dtype.type(0)), pa.string())


def _write_strings(column: pa.Array) -> pa.StringArray:
    encoded = pc.dictionary_encode(pc.cast(column, pa.string()))
    texts = [json.dumps(value, ensure_ascii=False) for value in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)


def _write_lists(column: pa.Array, decimals: int | None) -> pa.StringArray:
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    if len(lengths) and lengths.min() != lengths.max():
        raise BadInputError(
            "predictions have different numbers of parts",
            expected=f"{lengths.max()} in every row, one for each column of the header",
            found=f"{lengths.min()} in some",
            next_step="correct the job's model",
        )
    texts = _write_column(pc.list_flatten(column), decimals)
    offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))).astype(np.int32))
    return _bracket(pc.binary_join(pa.ListArray.from_arrays(offsets, texts), ","))


def _bracket(texts: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise("[", texts, "]", "")
