"""Which rows are those of an entity, whatever type upstream gave its id."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given

from pipeline.stages.erase import drop_rows, find_rows


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([17, 18, None], pa.int64()),
        (["17", "18", None], pa.string()),
        (["17", "18", None], pa.large_string()),
        (["17", "18", None], pa.string_view()),
        (["17", "18", None], pa.dictionary(pa.int32(), pa.string())),
        ([17.0, 17.5, None], pa.float64()),
        ([Decimal("17.00"), Decimal("18.00"), None], pa.decimal128(9, 2)),
        ([b"17", b"18", None], pa.binary()),
        ([b"17", b"18", None], pa.binary_view()),
    ],
    ids=str,
)
def test_the_id_is_found_in_every_type_that_upstream_may_use(values: list[Any], kind: pa.DataType) -> None:
    table = pa.table({"id": pa.array(values, kind), "other": ["17", "17", "17"]})
    assert find_rows(table, ("id",), "17").to_pylist() == [True, False, False]
    assert drop_rows(table, ("id", "not there"), "17").num_rows == 2


def test_numbers_beyond_every_float_are_told_apart() -> None:
    table = pa.table({"id": pa.array([2**53, 2**53 + 1], pa.int64())})
    assert find_rows(table, ("id",), str(2**53 + 1)).to_pylist() == [False, True]


def test_a_table_without_the_column_keeps_all_its_rows() -> None:
    assert drop_rows(pa.table({"other": ["17"]}), ("id",), "17").num_rows == 1


@given(st.lists(st.text(max_size=4)), st.text(min_size=1, max_size=4))
def test_all_rows_of_the_entity_go_and_all_others_stay_in_order(ids: list[str], entity_id: str) -> None:
    table = pa.table({"id": pa.array(ids, pa.string())})
    kept = drop_rows(table, ("id",), entity_id)["id"].to_pylist()
    assert kept == [each for each in ids if each != entity_id]
