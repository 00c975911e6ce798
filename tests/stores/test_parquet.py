"""Parquet as it is written here: the same bytes for the same rows."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from pipeline.stores.parquet import decode_parquet, encode_parquet

TABLE = pa.table({"name": ["a", None], "number": [1.5, float("nan")]})


def test_a_table_comes_back_as_it_was() -> None:
    back = decode_parquet(encode_parquet(TABLE))
    assert back.schema == TABLE.schema
    assert back["name"].to_pylist() == ["a", None]
    assert encode_parquet(back) == encode_parquet(TABLE)


def test_what_pandas_notes_down_does_not_change_the_bytes() -> None:
    frame = pd.DataFrame({"number": [1, 2]}, index=[5, 6])
    noted = pa.Table.from_pandas(frame, preserve_index=False)
    assert noted.schema.metadata
    assert encode_parquet(noted) == encode_parquet(pa.table({"number": [1, 2]}))


def test_columns_may_be_chosen() -> None:
    assert decode_parquet(encode_parquet(TABLE), ["name"]).column_names == ["name"]
