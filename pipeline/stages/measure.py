"""Measure: which rows of a large delivery are looked at.

The sample takes whole groups, so that what holds within a group, or between it and its like in another delivery, can be
seen in a sample of both.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipeline.sharding import shards_of

MEASURED_ROWS = 200_000
"""Rows of one delivery that a measure sees, about, at the most."""


def sample_divisor(rows: int, most: int = MEASURED_ROWS) -> int:
    """The groups of one in how many are looked at, so that of ``rows`` about ``most`` are left; 1 for all of them."""
    return max(1, -(-rows // most))


def keep_together(rows: pa.Table, together: Sequence[str], divisor: int) -> pa.Table:
    """The rows of one group in ``divisor``, chosen by the CRC-32 of the values of ``together``, in the order they came.

    The same values are chosen in every delivery.
    """
    if divisor == 1:
        return rows
    return rows.filter(pa.array(shards_of(rows, together, divisor) == 0))
