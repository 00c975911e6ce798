"""Groups of an aggregate by partition: each is where its entity is among the population's shards.

So the features of a shard need the groups of one partition, and an aggregate of any number of entities is added up
partition by partition.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.sharding import crc32_of


def split_groups(groups: pd.DataFrame, key: str, partitions: int) -> list[pa.Table]:
    """The groups of every partition, in the order they came, all in the types that all groups together have.

    Args:
        key: column that holds the entity's id, in whichever dtype; none is missing.
    """
    owner = find_partitions(groups[key], partitions)
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(partitions + 1))
    table = pa.Table.from_pandas(groups, preserve_index=False).take(pa.array(order))
    return [table.slice(start, end - start) for start, end in pairwise(bounds)]


def find_partitions(ids: pd.Series, partitions: int) -> npt.NDArray[np.uint32]:
    """``crc32(id) mod partitions``, of the text that the id has in the population: a whole number is an integer."""
    partition: npt.NDArray[np.uint32] = crc32_of(_write_ids(ids.infer_objects())) % np.uint32(partitions)
    return partition


def _write_ids(ids: pd.Series) -> pa.Array:
    if ids.dtype.kind == "f" or (ids.dtype == "object" and not isinstance(ids.dtype, pd.StringDtype)):
        return pa.array([_write_id(value) for value in ids], pa.string())
    return pa.array(ids).cast(pa.string())


def _write_id(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
