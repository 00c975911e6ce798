"""A sample for measures: whole groups, the same ones in every delivery, about as many rows as asked for."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.stages.measure import keep_together, sample_divisor


def make_table(groups: int, each: int) -> pa.Table:
    return pa.table(
        {"id": [f"entity {number % groups}" for number in range(groups * each)], "at": range(groups * each)}
    )


@pytest.mark.parametrize(("rows", "divisor"), [(0, 1), (100, 1), (101, 2), (1000, 10), (1001, 11)])
def test_as_few_are_looked_at_as_are_needed(rows: int, divisor: int) -> None:
    assert sample_divisor(rows, most=100) == divisor


def test_a_small_delivery_is_looked_at_whole() -> None:
    table = make_table(10, 2)
    assert keep_together(table, ["id"], 1) is table


def test_groups_stay_whole_and_are_the_same_in_every_delivery() -> None:
    one, other = (keep_together(make_table(1000, each), ["id"], 4) for each in (3, 5))
    chosen = set(one["id"].to_pylist())
    assert chosen == set(other["id"].to_pylist())
    assert (one.num_rows, other.num_rows) == (3 * len(chosen), 5 * len(chosen))
    assert 180 < len(chosen) < 320
    assert one["at"].to_pylist() == sorted(one["at"].to_pylist())
