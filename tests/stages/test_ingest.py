"""Ingest: only the contract's columns, only casts that lose nothing, and every row in the shard of its key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job import Cast, SchemaPolicy
from pipeline.keyspace import shard_of
from pipeline.stages.ingest import SchemaMismatch, cast_columns, check_columns, number_rows, split_shards

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
EXPECTED = pa.schema(
    [
        ("meter", pa.int64()),
        ("region", pa.string()),
        ("kwh", pa.float64()),
        ("is_smart", pa.bool_()),
        ("read_at", pa.timestamp("us", "UTC")),
    ]
)


def make_table(**changes: Any) -> pa.Table:
    columns = {
        "meter": pa.array([1, 2, None], pa.int64()),
        "region": pa.array(["north", None, "süd"]),
        "kwh": pa.array([1.5, float("nan"), None]),
        "is_smart": pa.array([True, None, False]),
        "read_at": pa.array([NOON, None, NOON], pa.timestamp("us", "UTC")),
        **changes,
    }
    return pa.table({name: column for name, column in columns.items() if column is not None})


USUAL = SchemaPolicy()


def ingest(table: pa.Table, policy: SchemaPolicy = USUAL) -> pa.Table:
    check_columns(table.schema, EXPECTED, policy)
    return cast_columns(table, EXPECTED)


def test_columns_come_in_the_order_of_the_contract_and_others_are_left_out() -> None:
    table = make_table(note=pa.array(["a", "b", "c"])).select(["note", "read_at", "kwh", "meter", "is_smart", "region"])
    found = ingest(table)
    assert found.schema == EXPECTED
    assert found["meter"].to_pylist() == [1, 2, None]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("meter", pa.array([1, 2, 3], pa.int8())),
        ("meter", pa.array([1, 2, 3], pa.uint64())),
        ("meter", pa.array([1.0, 2.0, None])),
        ("meter", pa.array([Decimal("1.00"), Decimal(2), None])),
        ("meter", pa.array([None, None, None])),
        ("region", pa.array(["a", "b", None], pa.large_string())),
        ("region", pa.array(["a", "b", None], pa.string_view())),
        ("region", pa.array(["a", "b", None]).dictionary_encode()),
        ("kwh", pa.array([1, 2, None], pa.int32())),
        ("kwh", pa.array([0.5, float("nan"), float("inf")], pa.float32())),
        ("kwh", pa.array([2**53, -(2**53), None])),
        ("read_at", pa.array([NOON, None, NOON], pa.timestamp("s", "UTC"))),
        ("read_at", pa.array([NOON, None, NOON], pa.timestamp("ms", "Pacific/Auckland"))),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_a_cast_that_loses_nothing_is_made(name: str, column: pa.Array) -> None:
    found = ingest(make_table(**{name: column}))[name]
    assert found.type == EXPECTED.field(name).type
    assert found.null_count == column.null_count


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("meter", pa.array([1.5, 2.0, None])),
        ("meter", pa.array([float("nan"), 2.0, None])),
        ("meter", pa.array([2**63, 1, None], pa.uint64())),
        ("meter", pa.array(["1", "2", "3"])),
        ("meter", pa.array([True, False, None])),
        ("region", pa.array([1, 2, 3])),
        ("region", pa.array([b"a", b"b", None])),
        ("kwh", pa.array([2**53 + 1, 1, None])),
        ("kwh", pa.array(["1.5", "2", None])),
        ("is_smart", pa.array([1, 0, None])),
        ("read_at", pa.array(["2024-03-01", None, None])),
        ("read_at", pa.array([NOON.replace(tzinfo=None), None, None], pa.timestamp("us"))),
        ("read_at", pa.array([1, None, None], pa.timestamp("ns", "UTC"))),
        ("read_at", pa.array([1, 2, 3])),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else value,
)
def test_a_column_that_would_lose_something_is_refused_with_both_types(name: str, column: pa.Array) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        ingest(make_table(**{name: column}))
    (difference,) = (each for each in caught.value.differences if each.is_refused)
    assert difference.column == name
    assert (difference.expected, difference.found) == (str(EXPECTED.field(name).type), str(column.type))


def test_every_missing_or_wrong_column_is_told_at_once() -> None:
    table = make_table(meter=None, kwh=pa.array(["a", "b", "c"])).append_column("meter_no", pa.array([1, 2, 3]))
    with pytest.raises(SchemaMismatch) as caught:
        check_columns(table.schema, EXPECTED, USUAL)
    assert [(each.column, each.verdict) for each in caught.value.differences if each.is_refused] == [
        ("meter", "missing"),
        ("kwh", "type changed"),
    ]


def test_no_value_is_told_in_the_error_of_a_cast() -> None:
    with pytest.raises(SchemaMismatch) as caught:
        ingest(make_table(meter=pa.array([271828.5, 2.0, None])))
    assert "271828" not in str(caught.value)
    assert caught.value.__cause__ is None


def accept(column: str, *types: str) -> SchemaPolicy:
    return SchemaPolicy(casts=(Cast(column=column, types=types),))


@pytest.mark.parametrize(
    ("policy", "column", "values"),
    [
        (accept("meter", "string"), pa.array(["1", "-20", None]), [1, -20, None]),
        (accept("region", "int64"), pa.array([7, 8, None]), ["7", "8", None]),
        (accept("region", "binary"), pa.array([b"a", "süd".encode(), None]), ["a", "süd", None]),
        (accept("is_smart", "int8"), pa.array([1, 0, None], pa.int8()), [True, False, None]),
        (accept("kwh", "int32"), pa.array([1, 2, None], pa.int32()), [1.0, 2.0, None]),
    ],
)
def test_a_declared_cast_is_made_where_every_value_survives(
    policy: SchemaPolicy, column: pa.Array, values: list[Any]
) -> None:
    name = policy.casts[0].column
    assert ingest(make_table(**{name: column}), policy)[name].to_pylist() == values


@pytest.mark.parametrize(
    ("policy", "column"),
    [
        (accept("meter", "string"), pa.array(["007", "1", None])),
        (accept("meter", "string"), pa.array(["1.0", "1", None])),
        (accept("meter", "string"), pa.array(["one", "1", None])),
        (accept("meter", "double"), pa.array([1.5, 1.0, None])),
        (accept("region", "binary"), pa.array([b"\xff", b"a", None])),
        (accept("is_smart", "int8"), pa.array([2, 0, None], pa.int8())),
    ],
)
def test_a_declared_cast_that_would_lose_something_is_refused(policy: SchemaPolicy, column: pa.Array) -> None:
    with pytest.raises(SchemaMismatch, match="values would be lost"):
        ingest(make_table(**{policy.casts[0].column: column}), policy)


@given(
    st.lists(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1).map(str), st.text(max_size=4)), min_size=3, max_size=3
    )
)
def test_text_becomes_numbers_only_where_it_can_be_got_back(texts: list[str | None]) -> None:
    readable = [text for text in texts if text is not None and re.fullmatch(r"0|-?[1-9][0-9]*", text)]
    try:
        found = ingest(make_table(meter=pa.array(texts, pa.string())), accept("meter", "string"))["meter"].to_pylist()
    except SchemaMismatch:
        assert len(readable) + texts.count(None) < len(texts)
    else:
        assert [None if number is None else str(number) for number in found] == texts


def test_rows_are_numbered_across_batches() -> None:
    numbered = number_rows(make_table(), 100)
    assert numbered["_row"].to_pylist() == [100, 101, 102]
    assert numbered.schema.field("_row").type == pa.int64()


@given(st.lists(st.text(max_size=8), max_size=50), st.integers(1, 7))
def test_every_row_is_in_the_shard_of_its_key_and_in_the_order_it_came(keys: list[str], shards: int) -> None:
    table = pa.table({"key": pa.array(keys, pa.string()), "row": pa.array(range(len(keys)), pa.int64())})
    found = dict(split_shards(table, ["key"], shards))
    if shards > 1:
        for shard, rows in found.items():
            assert rows.num_rows
            assert {shard_of(key, shards) for key in rows["key"].to_pylist()} == {shard}
            assert rows["row"].to_pylist() == sorted(rows["row"].to_pylist())
    assert sorted(row for rows in found.values() for row in rows["row"].to_pylist()) == list(range(len(keys)))
