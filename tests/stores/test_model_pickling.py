"""Models have the same bytes in whichever process they are written."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
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


def test_equal_types_of_arrays_are_one_wherever_they_are_from() -> None:
    """As of a night's rows that came through a pickle."""
    rows = np.arange(200.0).reshape(100, 2)
    others = pickle.loads(pickle.dumps(rows))  # noqa: S301 - our own
    assert others.dtype is not rows.dtype
    assert pickle_estimator([rows, rows.copy()]) == pickle_estimator([rows, others])
    models = [
        HistGradientBoostingClassifier(max_iter=2, random_state=0).fit(given, np.arange(100) % 2)
        for given in (rows, others)
    ]
    assert pickle_estimator(models[0]) == pickle_estimator(models[1])


@pytest.mark.parametrize(
    ("dtype", "like_it"),
    [
        (np.dtype("<f8", metadata={"unit": "m"}), np.dtype("<f8")),
        (np.dtype([("a", "<f8"), ("b", "<i4")]), np.dtype([("c", "<i4"), ("d", "<f8")])),
        (np.dtype((np.float64, (2,))), np.dtype((np.int64, (2,)))),
        (np.dtypes.StringDType(na_object=None), np.dtypes.StringDType()),
        (np.dtype(">i4"), np.dtype("<i4")),
        (np.dtype("<M8[ns]"), np.dtype("<M8[s]")),
        (np.dtype("<U3"), np.dtype("<U4")),
    ],
    ids=str,
)
def test_other_types_stay_what_they_are(dtype: np.dtype, like_it: np.dtype) -> None:
    for written in ([dtype, like_it], [like_it, dtype]):
        read = load(pickle_estimator(written))
        assert list(map(repr, read)) == list(map(repr, written))
        assert [each.metadata for each in read] == [each.metadata for each in written]


def test_an_array_that_is_shared_within_an_array_of_objects_is_written_once() -> None:
    shared, holder = np.arange(10_000.0), np.empty(50, object)
    for place in range(len(holder)):
        holder[place] = shared
    content = pickle_estimator([holder, np.arange(3.0)])
    assert len(content) < 1.1 * shared.nbytes
    assert b"NumpyArrayWrapper" in content, "joblib's way of writing numbers, where they are by themselves"
    (read, after) = load(content)
    assert all(each is read[0] for each in read)
    assert read[0].tolist() == shared.tolist()
    assert after.tolist() == [0.0, 1.0, 2.0]


def test_what_joblib_writes_is_not_nested_too_deeply() -> None:
    deepest = max(depth for depth in range(50, 400) if is_written(depth, joblib_bytes))
    assert is_written(deepest - 5, pickle_estimator)


def joblib_bytes(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer, protocol=5)
    return buffer.getvalue()


def is_written(depth: int, write: Callable[[Any], bytes]) -> bool:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    try:
        write(nested)
    except RecursionError:
        return False
    return True


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
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return told.split()[-1]
