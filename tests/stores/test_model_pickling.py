"""Models have the same bytes in whichever process they are written."""

from __future__ import annotations

import io
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from pipeline.digests import digest_bytes
from pipeline.stores.model_pickling import pickle_estimator


def fit() -> object:
    """With a function, types and numbers of every kind in it."""
    rows = np.arange(200.0).reshape(100, 2)
    trees = HistGradientBoostingClassifier(max_iter=2, random_state=0)
    return make_pipeline(OrdinalEncoder(dtype=float), FunctionTransformer(np.log1p), trees).fit(
        rows, np.arange(100) % 2
    )


def test_the_bytes_are_those_of_joblib() -> None:
    model, buffer = fit(), io.BytesIO()
    joblib.dump(model, buffer, protocol=5)
    assert pickle_estimator(model) == buffer.getvalue()


@pytest.mark.parametrize("before", ["import dill", "import joblib, dill", "import airflow.models.taskinstance"])
def test_libraries_that_extend_the_pickler_change_nothing(before: str) -> None:
    program = (
        f"{before}\n"
        "from pipeline.digests import digest_bytes\n"
        "from pipeline.stores.model_pickling import pickle_estimator\n"
        f"from {__name__} import fit\n"
        "print(digest_bytes(pickle_estimator(fit())))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.split()[-1] == digest_bytes(pickle_estimator(fit()))
