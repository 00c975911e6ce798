"""What goes into an estimator: the feature columns of a frame as built, and no infinity in them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.errors import BadInputError
from pipeline.job import Job


def take_matrix(features: pd.DataFrame, job: Job, partition: str | None) -> pd.DataFrame:
    """The columns that the model gets, in the order of the feature set.

    Args:
        features: as built: the entity id (which is left out, and need not be there), then the feature columns.

    Raises:
        BadInputError: a value is infinite; a missing one is fine.
    """
    matrix = features.drop(columns=job.entity_id, errors="ignore")
    infinite = {name: _count_infinite(matrix[name]) for name in matrix.select_dtypes("number").columns}
    found = {name: count for name, count in infinite.items() if count}
    if found:
        raise BadInputError(
            "features hold infinity",
            job=job.name,
            partition=partition,
            expected="finite or missing values",
            found=", ".join(f"{count} of {len(matrix)} rows in {name}" for name, count in found.items()),
            next_step="look for a division by zero in that feature, or refuse the values behind it in the contract",
        )
    return matrix


def _count_infinite(values: pd.Series) -> int:
    return int(np.isinf(values.to_numpy(dtype="float64", na_value=np.nan)).sum())
