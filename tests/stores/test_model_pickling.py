"""Models have the same bytes in whichever process they are written."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from pipeline.digests import digest_bytes
from pipeline.stores.model_pickling import pickle_estimator


def fit() -> Pipeline:
    """With a function, types and numbers of every kind in it."""
    rows = np.arange(200.0).reshape(100, 2)
    trees = HistGradientBoostingClassifier(max_iter=2, random_state=0)
    return make_pipeline(OrdinalEncoder(dtype=float), FunctionTransformer(np.log1p), trees).fit(
        rows, np.arange(100) % 2
    )


def load(content: bytes) -> Any:
    return joblib.load(io.BytesIO(content))


def test_joblib_reads_the_bytes() -> None:
    model, rows = fit(), np.random.default_rng(0).integers(0, 200, (50, 2)).astype(float)
    read = load(pickle_estimator(model))
    assert [type(step) for step in read] == [type(step) for step in model]
    known = rows[np.isin(rows[:, 0], model[0].categories_[0]) & np.isin(rows[:, 1], model[0].categories_[1])]
    assert np.array_equal(read.predict_proba(known), model.predict_proba(known))


def test_joblib_reads_arrays_of_objects_and_of_numbers() -> None:
    names = np.array([["north", None], ["south", 1.5]], dtype=object)
    for written in (names, names.T, np.asfortranarray(names), np.arange(12.0).reshape(3, 4).T, np.array(["a", "bc"])):
        read = load(pickle_estimator(written))
        assert (read.dtype, read.shape) == (written.dtype, written.shape)
        assert read.tolist() == written.tolist()


def test_equal_texts_are_one_wherever_they_are_from() -> None:
    name = "n_features_in_"
    copy = "".join(["n_features", "_in_"])
    assert copy is not name
    assert pickle_estimator([{name: 1}, {copy: 2}]) == pickle_estimator([{name: 1}, {name: 2}])
    arrays = [np.array(pair, dtype=object) for pair in ([name, copy], [name, name])]
    assert pickle_estimator(arrays[0]) == pickle_estimator(arrays[1])


def test_what_was_loaded_before_changes_nothing(tmp_path: Path) -> None:
    """A class whose first estimator came from a file has the names of its attributes from there."""
    path = tmp_path / "trees.joblib"
    joblib.dump(fit()[-1], path)
    assert fit_elsewhere(f"import joblib; joblib.load({str(path)!r})") == digest_bytes(pickle_estimator(fit()))


@pytest.mark.parametrize("before", ["import dill", "import joblib, dill", "import airflow.models.taskinstance"])
def test_libraries_that_extend_the_pickler_change_nothing(before: str) -> None:
    assert fit_elsewhere(before) == digest_bytes(pickle_estimator(fit()))


def fit_elsewhere(before: str) -> str:
    """The digest of the model in a process that did something before."""
    program = (
        f"{before}\n"
        "from pipeline.digests import digest_bytes\n"
        "from pipeline.stores.model_pickling import pickle_estimator\n"
        f"from {__name__} import fit\n"
        "print(digest_bytes(pickle_estimator(fit())))\n"
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()[
        -1
    ]
