"""The columns that came beside those expected: every difference is told, and the policy says which ones pass."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job import Cast, SchemaPolicy
from pipeline.stages.schema_changes import (
    MAX_SHOWN,
    Difference,
    compare_schemas,
    describe_differences,
    list_expected,
)

EXPECTED = pa.schema([("meter", pa.int64()), ("region", pa.string()), ("read_at", pa.timestamp("us", "UTC"))])
USUAL = SchemaPolicy()


def compare(policy: SchemaPolicy = USUAL, **columns: Any) -> list[Difference]:
    """Of the expected columns with some of them replaced, removed (None) or added."""
    found = {field.name: field.type for field in EXPECTED} | columns
    return compare_schemas(pa.schema([(name, kind) for name, kind in found.items() if kind]), EXPECTED, policy)


def test_the_contract_s_columns_are_no_difference() -> None:
    assert compare() == []


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()), pa.null()], ids=str
)
def test_another_way_of_writing_text_down_is_no_difference(kind: pa.DataType) -> None:
    assert compare(region=kind) == compare(SchemaPolicy(other_casts="refuse"), region=kind) == []


def test_a_missing_column_is_refused_and_the_closest_new_name_of_its_type_is_suggested() -> None:
    (missing, *_) = compare(region=None, regions=pa.string(), regionx=pa.int64(), note=pa.string())
    assert missing == Difference("region", "string", None, "missing", is_refused=True, renamed_to="regions")


def test_a_lone_new_column_of_the_type_is_suggested_whatever_its_name() -> None:
    (missing, _) = compare(region=None, area=pa.string())
    assert missing.renamed_to == "area"


@pytest.mark.parametrize("new", [{"area": pa.string(), "zone": pa.string()}, {"region_code": pa.int64()}, {}])
def test_nothing_is_suggested_by_chance(new: dict[str, Any]) -> None:
    assert compare(region=None, **new)[0].renamed_to is None


def test_new_columns_are_ignored_and_told_unless_they_are_known_or_refused() -> None:
    assert compare(note=pa.string()) == [Difference("note", None, "string", "new, ignored")]
    assert compare(SchemaPolicy(known_columns=("note",)), note=pa.string()) == []
    (refused,) = compare(SchemaPolicy(new_columns="refuse"), note=pa.string())
    assert refused == Difference("note", None, "string", "new", is_refused=True)


@pytest.mark.parametrize(
    ("policy", "kind", "verdict", "is_refused"),
    [
        (USUAL, pa.int32(), "type changed, cast where no value is lost", False),
        (USUAL, pa.float64(), "type changed, cast where no value is lost", False),
        (USUAL, pa.string(), "type changed", True),
        (SchemaPolicy(other_casts="refuse"), pa.int32(), "type changed", True),
        (SchemaPolicy(casts=(Cast(column="meter", types=()),)), pa.int32(), "type changed", True),
        (SchemaPolicy(casts=(Cast(column="meter", types=("string",)),)), pa.int32(), "type changed", True),
        (
            SchemaPolicy(casts=(Cast(column="meter", types=("string",)),)),
            pa.large_string(),
            "type changed, cast where no value is lost",
            False,
        ),
    ],
)
def test_a_changed_type_passes_as_the_policy_says(
    policy: SchemaPolicy, kind: pa.DataType, verdict: str, is_refused: bool
) -> None:
    (difference,) = compare(policy, meter=kind)
    assert (difference.verdict, difference.is_refused) == (verdict, is_refused)


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("s"), pa.date32()], ids=str)
def test_a_time_without_a_zone_is_refused_whatever_the_policy(kind: pa.DataType) -> None:
    declared = SchemaPolicy(casts=(Cast(column="read_at", types=("timestamp[us]", "timestamp[s]", "date32")),))
    for policy in (USUAL, declared):
        (difference,) = compare(policy, read_at=kind)
        assert (difference.verdict, difference.is_refused) == ("time without a zone", True)


def test_a_column_that_is_there_twice_is_refused() -> None:
    found = pa.schema([*EXPECTED, ("meter", pa.int64())])
    (difference,) = compare_schemas(found, EXPECTED, USUAL)
    assert (difference.column, difference.verdict, difference.is_refused) == ("meter", "there more than once", True)


def test_another_order_is_told_and_passes() -> None:
    (difference,) = compare_schemas(pa.schema(list(EXPECTED)[::-1]), EXPECTED, SchemaPolicy(new_columns="refuse"))
    assert (difference.column, difference.is_refused) == ("*", False)
    assert difference.expected == "meter, region, read_at"
    assert difference.found == "read_at, region, meter"


def test_the_table_for_people_has_a_row_for_each_difference_refused_ones_first() -> None:
    lines = describe_differences(compare(region=None, area=pa.string(), meter=pa.int32())).splitlines()
    assert lines == [
        "",
        "column | expected | found  | verdict",
        "region | string   | -      | missing; is it area now?",
        "meter  | int64    | int32  | type changed, cast where no value is lost",
        "area   | -        | string | new, ignored",
    ]


def test_the_table_is_bounded() -> None:
    many = compare(**{f"new_{number}": pa.string() for number in range(5000)})
    text = describe_differences(many)
    assert len(text.splitlines()) == MAX_SHOWN + 3
    assert text.endswith(f"and {5000 - MAX_SHOWN} more")


def test_what_was_expected_names_the_contract_s_columns() -> None:
    assert list_expected(compare(region=None, meter=pa.string())) == "column meter (int64); column region (string)"
    refused = compare(SchemaPolicy(new_columns="refuse"), note=pa.string())
    assert list_expected(refused) == "the contract's columns and no others"


@given(st.lists(st.text(max_size=200), max_size=8))
def test_names_from_upstream_stay_on_their_line(names: list[str]) -> None:
    found = pa.schema([*EXPECTED, *((name, pa.string()) for name in names)])
    differences = compare_schemas(found, EXPECTED, USUAL)
    shown = describe_differences(differences)
    assert len(shown.split("\n")) == len(differences) + 2
    assert all(character == "\n" or character >= " " for character in shown)
