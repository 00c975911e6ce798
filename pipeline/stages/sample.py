"""Sample: the rows of a training set that a model is fitted on, where there are more than it needs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.sharding import crc32_of


def choose_rows(ids: pd.Series, partitions: pd.Series, most: int | None) -> np.ndarray:
    """Positions of at most ``most`` rows, ascending: those with the smallest digests of partition and id.

    Which row is taken depends on no order and no seed, and a row that is taken of few is taken of more.

    Args:
        ids: entity ids as text.
        partitions: of the same rows.
        most: None for all.
    """
    if most is None or len(ids) <= most:
        return np.arange(len(ids))
    digests = crc32_of(pa.array(partitions + "\x1f" + ids, pa.string()))
    return np.sort(np.argsort(digests, kind="stable")[:most])
