"""Parquet as it is written here: the same bytes for the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.stores.parquet import _list_repeated, decode_parquet, encode_groups, encode_parquet

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


def test_columns_may_be_chosen_in_any_order() -> None:
    assert decode_parquet(encode_parquet(TABLE), ["name"]).column_names == ["name"]
    assert decode_parquet(encode_parquet(TABLE), ["number", "name"]).column_names == ["number", "name"]
    with pytest.raises(KeyError, match="color"):
        decode_parquet(encode_parquet(TABLE), ["name", "color"])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("groups", [1, 3])
def test_text_that_comes_again_comes_back_as_text(kind: pa.DataType, groups: int) -> None:
    """A file holds the one as numbers of a dictionary, the other as it is; readers see no difference."""
    rows = 3000
    columns = {
        "again": pa.array(["north", None, "", "süd"] * (rows // 4), kind),
        "once": pa.array([f"entity-{row:08d}" for row in range(rows)], kind),
        "nothing": pa.nulls(rows, kind),
        "listed": pa.array([["north", None], None, []] * (rows // 3), pa.list_(kind)),
    }
    table = pa.table(columns)
    content = encode_groups([table.slice(rows // groups * group, rows // groups) for group in range(groups)])
    back = decode_parquet(content)
    assert _list_repeated(pq.read_metadata(pa.BufferReader(content))) == ["again", "nothing"]
    assert back.schema.equals(table.schema)
    assert back.equals(table)


@pytest.mark.parametrize(("rows", "different", "is_plain"), [(1024, 1024, True), (1024, 1023, False), (9, 9, False)])
def test_text_of_which_no_value_comes_again_is_written_as_it_is(rows: int, different: int, is_plain: bool) -> None:
    """Were it looked through for such values, writing would take twice as long."""
    table = pa.table({"id": [f"entity-{row % different:08d}" for row in range(rows)], "number": [1.0] * rows})
    content = encode_groups([table.slice(0, 0), table])
    column = pq.read_metadata(pa.BufferReader(content)).row_group(1).column(0)
    assert ("RLE_DICTIONARY" not in column.encodings) == is_plain
    assert decode_parquet(content).equals(table)


def test_numbers_of_every_size_come_back_and_take_less_room() -> None:
    random = np.random.default_rng(7)
    kinds = ["int8", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
    table = pa.table({kind: random.integers(0, 100, 5000).astype(kind) for kind in kinds})
    table = table.append_column("known", pa.array(random.integers(0, 9, 5000), mask=random.random(5000) < 0.5))
    content = encode_parquet(table)
    assert decode_parquet(content).equals(table)
    assert len(content) < table.nbytes / 2


def test_a_table_without_rows_comes_back() -> None:
    assert decode_parquet(encode_parquet(TABLE.slice(0, 0))).equals(TABLE.slice(0, 0))
