"""Row features: every column that a declaration names, computed from the columns that a frame has."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import pandas as pd

from features.declarations import FeatureSet


def compute_columns(frame: pd.DataFrame, feature_set: FeatureSet, columns: Iterable[str]) -> pd.DataFrame:
    """The named columns of ``frame``, computing those that are row features of ``feature_set``.

    A column that the frame has itself is taken as it is, also where a row feature has the same name.

    Args:
        frame: rows of one source; its index is kept.
        columns: names of source columns and row features.

    Returns:
        A new frame with exactly ``columns``, in that order.

    Raises:
        KeyError: a column is neither in the frame nor can be computed from it.
        ValueError: a row feature returned something else than one value a row.
    """
    wanted = list(columns)
    known = {name: frame[name] for name in frame.columns}
    for name in feature_set.required_functions([name for name in wanted if name not in known]):
        if name in known:
            continue
        function = feature_set.functions[name]
        parameters = list(inspect.signature(function).parameters)
        missing = [parameter for parameter in parameters if parameter not in known]
        if missing:
            raise KeyError(f"row feature {name} needs {missing}, and the rows have {sorted(frame.columns)}")
        result = function(*(known[parameter] for parameter in parameters))
        if not isinstance(result, pd.Series) or len(result) != len(frame):
            raise ValueError(f"row feature {name} must return one value a row")
        known[name] = result
    absent = [name for name in wanted if name not in known]
    if absent:
        raise KeyError(f"{absent} are neither columns of the rows nor row features of {feature_set.name}")
    return pd.DataFrame({name: known[name] for name in wanted}, index=frame.index)
