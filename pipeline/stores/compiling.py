"""Compile the trees of a registered model, and hold them against scikit-learn before anything is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.errors import NotCompiledError
from pipeline.predicting import predict_outcomes
from pipeline.stores.compiled_models import CompiledModels, CompiledTrees
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.model_metadata import ModelMetadata
from pipeline.stores.models import Model, Models
from pipeline.stores.signatures import SigningKeys
from pipeline.trees.substitution import Parts, find_parts
from pipeline.trees.tables import Tables
from pipeline.trees.verification import find_difference

_UNSEEN = "never seen in training"


def compile_registered(lake: Lake, job: str, keys: SigningKeys, version: ModelVersion) -> CompiledTrees:
    """Compile a registered model, in a process that may come to a bad end, and write what came of it.

    Tables and trees must give the same sums for rows on, below and above every edge, and the same predictions for the
    golden rows, for those with each column missing in turn, and for those with each category unseen: not one bit may
    differ.

    Raises:
        NotCompiledError: there is no kernel, there are no trees or none that have tables, or something differs.
        RefusedError, DamagedError: the model may not be loaded, as :meth:`Models.load` says.
    """
    compiled = CompiledModels(lake, job, keys)
    model = Models(lake, job, keys).load(version)
    parts = find_parts(model.estimator)
    if not parts.ensembles:
        raise NotCompiledError(
            f"model {version.version} has no trees that could be compiled",
            job=job,
            expected="a fitted HistGradientBoostingClassifier or HistGradientBoostingRegressor in it",
            found=type(model.estimator).__name__,
            next_step="nothing: it is scored by scikit-learn",
        )
    tables = parts.compile()
    rows = _verify(model, parts, tables, compiled.read_golden(version, model))
    return compiled.save(version.registration.model_digest, tables, parts.count_trees(), rows)


def _verify(model: Model, parts: Parts, tables: Sequence[Sequence[Tables]], golden: pd.DataFrame) -> int:
    """How many rows were the same.

    Raises:
        NotCompiledError: some were not.
    """
    drawn, difference = find_difference(parts, tables)
    frames = _vary(golden, model.metadata)
    expected = [_predict(model, frame) for frame in frames]
    parts.substitute(tables)
    found = [_predict(model, frame) for frame in frames]
    parts.restore()
    is_same = all(np.array_equal(have, want, equal_nan=True) for have, want in zip(found, expected, strict=True))
    if difference > 0 or not is_same:
        raise NotCompiledError(
            f"the trees of model {model.version} are scored otherwise by their tables",
            expected="the same sums and predictions as of scikit-learn, to the last bit",
            found=f"sums that differ by up to {difference:g}" if difference > 0 else "other predictions of golden rows",
        )
    return drawn + sum(map(len, expected))


def _vary(golden: pd.DataFrame, metadata: ModelMetadata) -> list[pd.DataFrame]:
    """The golden rows; then with each column missing in all of them; then with each category unseen."""
    categories = [feature.name for feature in metadata.features if feature.kind == "category"]
    changes = [*((name, None) for name in metadata.columns), *((name, _UNSEEN) for name in categories)]
    changed = []
    for name, value in changes:
        rows = golden.copy()
        rows[name] = pd.Series([value] * len(rows), index=rows.index, dtype=golden[name].dtype)
        changed.append(rows)
    return [golden, *changed]


def _predict(model: Model, rows: pd.DataFrame) -> np.ndarray:
    """Nothing, if the model takes no such rows: then no night has any, or fails."""
    try:
        return predict_outcomes(model.estimator, rows, model.metadata.task)
    except ValueError:
        return np.empty(0)
