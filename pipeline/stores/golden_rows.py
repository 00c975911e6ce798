"""Golden rows: rows that a model was seen to score at its training, which it must score the same whenever it is loaded.

They are values of rows, though without ids: they stay in the lake, beside the model's file.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from features.declarations import Kind
from pipeline.digests import digest_bytes
from pipeline.predicting import predict_outcomes, round_scores
from pipeline.stores.parquet import decode_parquet, encode_parquet

SCORE = "_score"
_KINDS: dict[Kind, pa.DataType] = {"number": pa.float64(), "category": pa.string()}


class GoldenRows(BaseModel):
    """What a model's metadata says of its golden rows.

    Attributes:
        digest: SHA-256 of their file, a Parquet table of the feature columns in order and :data:`SCORE`.
        decimals: digits that the scores were rounded to.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    rows: int
    decimals: int

    def tolerance(self, *, same_environment: bool) -> float:
        """How far a score may be from the stored one: nothing, or elsewhere one unit of the last digit published."""
        return 0.0 if same_environment else 10.0**-self.decimals


def encode_golden_rows(
    estimator: Any, rows: pd.DataFrame, kinds: dict[str, Kind], task: Literal["binary", "regression"], decimals: int
) -> tuple[bytes, GoldenRows]:
    """The file of the rows with their scores, and its description.

    Args:
        rows: feature columns as the estimator gets them.
        kinds: kind by feature column, in order.
    """
    scores = round_scores(predict_outcomes(estimator, rows, task), decimals)
    schema = pa.schema([pa.field(name, _KINDS[kind]) for name, kind in kinds.items()])
    table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata(None)
    content = encode_parquet(table.append_column(SCORE, pa.array(scores, pa.float64())))
    return content, GoldenRows(digest=digest_bytes(content), rows=len(rows), decimals=decimals)


def decode_golden_rows(content: bytes) -> tuple[pd.DataFrame, np.ndarray]:
    """The feature columns, and the stored scores."""
    table = decode_parquet(content)
    features: pd.DataFrame = table.drop_columns([SCORE]).to_pandas()
    return features, table[SCORE].to_numpy()


def count_changed_scores(
    estimator: Any,
    content: bytes,
    golden: GoldenRows,
    task: Literal["binary", "regression"],
    *,
    same_environment: bool,
) -> tuple[int, float]:
    """How many golden rows are scored otherwise than at training, and by how much at the most."""
    rows, stored = decode_golden_rows(content)
    scores = round_scores(predict_outcomes(estimator, rows, task), golden.decimals)
    difference = np.abs(scores - stored)
    difference[np.isnan(scores) & np.isnan(stored)] = 0.0
    # Half a unit more, since both were rounded and neither has a short binary form.
    allowed = golden.tolerance(same_environment=same_environment) * 1.5
    changed = ~(difference <= allowed)
    return int(changed.sum()), float(np.max(difference, initial=0.0))
