"""The contract of :mod:`benchmarks.validation` by hand: one NumPy mask after the other, and no reasons."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

Mask = npt.NDArray[np.bool_]


def find_valid(
    rows: pd.DataFrame,
    *,
    amounts: Sequence[str],
    counts: Sequence[str],
    kinds: Sequence[str],
    categories: Sequence[str],
    cutoff: datetime,
) -> Mask:
    """Of every row, whether nothing is wrong with it."""
    valid: Mask = ~rows["customer"].duplicated(keep=False).to_numpy()
    valid &= rows["customer"].str.fullmatch("C[0-9]{12}").to_numpy(dtype=bool, na_value=False)
    for name, highest in (*((name, 1000) for name in amounts), *((name, 100) for name in counts)):
        values = rows[name].to_numpy()
        valid &= (values >= 0) & (values <= highest)
    for name in kinds:
        valid &= rows[name].isin(categories).to_numpy()
    valid &= rows["is_member"].notna().to_numpy()
    valid &= rows["note"].isna().to_numpy() | (rows["note"].str.len() <= 40).to_numpy(dtype=bool, na_value=False)
    since, known_at = rows["since"], rows["known_at"]
    valid &= (since <= known_at).to_numpy(dtype=bool, na_value=False) & (known_at <= cutoff).to_numpy()
    return valid
