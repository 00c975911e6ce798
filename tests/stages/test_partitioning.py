"""Groups go where their entity is among the population's shards, in whichever dtype they have its id."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline.sharding import shards_of
from pipeline.stages.partitioning import find_partitions, split_groups

NUMBERS = [1, 7, 2**31, 2**53 - 1, 12, 640]
NAMES = ["Old mill", "灯台 3", "Haus Nº 7", "a:b{c}", "", " two  spaces "]


@pytest.mark.parametrize("dtype", ["int64", "int32", "Int64", "float64", "object"])
def test_numbers_are_where_the_population_has_them(dtype: str) -> None:
    numbers = [number for number in NUMBERS if dtype != "int32" or number < 2**31]
    expected = shards_of(pa.table({"id": pa.array(numbers, pa.int64())}), ["id"], 5)
    found = find_partitions(pd.Series(numbers, dtype=dtype), 5)
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ["str", "object", "string[python]"])
def test_names_are_where_the_population_has_them(dtype: str) -> None:
    expected = shards_of(pa.table({"id": NAMES}), ["id"], 5)
    assert find_partitions(pd.Series(NAMES, dtype=dtype), 5).tolist() == expected.tolist()


def test_every_group_is_in_one_partition_and_keeps_its_order() -> None:
    groups = pd.DataFrame({"name": [f"n{number}" for number in range(100)], "count": np.arange(100)})
    parts = [part.to_pandas() for part in split_groups(groups, "name", 7)]
    assert len(parts) == 7
    for number, part in enumerate(parts):
        assert set(find_partitions(part["name"], 7)) <= {number}
        assert part["count"].is_monotonic_increasing
    assert sorted(pd.concat(parts)["count"]) == list(range(100))


def test_no_groups_at_all() -> None:
    groups = pd.DataFrame({"name": pd.array([], dtype="str"), "count": np.array([], dtype="int64")})
    assert [part.num_rows for part in split_groups(groups, "name", 3)] == [0, 0, 0]
