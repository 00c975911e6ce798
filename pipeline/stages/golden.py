"""Choose golden rows: what a model is asked again whenever it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.declarations import Kind

REAL_ROWS = 32
CHANGED_ROWS = 16
"""As many have values taken out, and as many have categories that no training saw."""

UNSEEN = "never seen in training"


def choose_golden_rows(
    predict: Callable[[pd.DataFrame], Any], matrix: pd.DataFrame, kinds: Mapping[str, Kind]
) -> pd.DataFrame:
    """At most 64 rows: real ones from the whole training, and copies with missing values and unseen categories.

    Every column is missing in one row, and unseen in one if it is a category.  Copies are left out where the estimator
    takes no missing values, or no unseen categories: then a night has none either, or fails.

    Args:
        predict: scores rows as the estimator does, and raises :class:`ValueError` for what it does not take.
        matrix: the columns that the estimator was trained on; at least one row.
        kinds: kind by column.
    """
    real = matrix.iloc[np.linspace(0, len(matrix) - 1, min(REAL_ROWS, len(matrix))).astype(int)]
    start = real.iloc[: min(CHANGED_ROWS, len(real))].reset_index(drop=True)
    categories = [name for name, kind in kinds.items() if kind == "category"]
    changed = [_change(start, list(kinds), None), _change(start, categories, UNSEEN)]
    return pd.concat([real, *(rows for rows in changed if len(rows) and _takes(predict, rows))], ignore_index=True)


def _change(rows: pd.DataFrame, names: list[str], value: str | None) -> pd.DataFrame:
    """Copies of the rows, each with ``value`` in other columns, so that every column has it in one of them."""
    changed = rows.iloc[: min(len(rows), len(names))].copy()
    for number, name in enumerate(names):
        changed.loc[number % len(changed), name] = value
    return changed


def _takes(predict: Callable[[pd.DataFrame], Any], rows: pd.DataFrame) -> bool:
    try:
        predict(rows)
    except ValueError:
        return False
    return True
