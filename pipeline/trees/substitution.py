"""Tables in the place of trees, inside a fitted estimator whose other parts stay scikit-learn's.

Of an ensemble only the sum over its trees is taken over: what is checked of the features before, and what becomes of
the sums after, is scikit-learn's own code.  Ordinal encoders of text are asked for each distinct value once, instead of
for every row, for they would take longer than the trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import NotCompiledError
from pipeline.pickled_parts import visit_parts
from pipeline.trees.kernel import add_leaves, check_kernel
from pipeline.trees.tables import Tables, compile_ensemble

_SUM, _ENCODE = "_raw_predict", "transform"


@dataclass(frozen=True)
class Parts:
    """What of a fitted estimator can be taken over, in the order in which pickling comes across it."""

    ensembles: list[Any] = field(default_factory=list)
    encoders: list[Any] = field(default_factory=list)

    def count_trees(self) -> int:
        """How many trees there are in all ensembles."""
        return sum(len(trees) for ensemble in self.ensembles for trees in ensemble._predictors)

    def compile(self) -> list[list[Tables]]:
        """The tables of every output of every ensemble.

        Raises:
            NotCompiledError: they are trees that have no tables.
        """
        return [compile_ensemble(ensemble) for ensemble in self.ensembles]

    def substitute(self, tables: Sequence[Sequence[Tables]]) -> None:
        """Have tables score in the place of the trees.

        Raises:
            NotCompiledError: they are not tables of these ensembles, or there is no kernel; nothing was changed.
        """
        check_kernel()
        expected = [(ensemble.n_trees_per_iteration_, ensemble.n_features_in_) for ensemble in self.ensembles]
        fits = len(tables) == len(expected) and all(
            len(outputs) == count and all(output.is_sound(columns) for output in outputs)
            for outputs, (count, columns) in zip(tables, expected, strict=True)
        )
        if not fits:
            raise NotCompiledError("these are not the tables of the model's trees")
        for ensemble, outputs in zip(self.ensembles, tables, strict=True):
            vars(ensemble)[_SUM] = _Sum(ensemble, outputs)
        for encoder in self.encoders:
            vars(encoder)[_ENCODE] = _Encode(encoder)

    def restore(self) -> None:
        """Have scikit-learn score again."""
        for name, parts in ((_SUM, self.ensembles), (_ENCODE, self.encoders)):
            for part in parts:
                vars(part).pop(name, None)


def find_parts(estimator: Any) -> Parts:
    """What of a fitted estimator can be taken over, however deep it is in it; subclasses may do as they like.

    Raises:
        Exception: whatever a part raises that cannot be pickled.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.preprocessing import OrdinalEncoder

    parts = Parts()
    kinds = {
        HistGradientBoostingClassifier: parts.ensembles,
        HistGradientBoostingRegressor: parts.ensembles,
        OrdinalEncoder: parts.encoders,
    }

    def keep(part: Any) -> None:
        if type(part) in kinds and hasattr(part, "n_features_in_"):  # others are what is cloned to be fitted
            kinds[type(part)].append(part)

    visit_parts(estimator, keep)
    return parts


def has_trees(estimator: Any) -> bool:
    """Whether there are ensembles to compile in a fitted estimator; not in one that cannot be looked into."""
    try:
        return bool(find_parts(estimator).ensembles)
    except Exception:  # noqa: BLE001 - whatever its own code raises, it is scored as it is
        return False


@dataclass(frozen=True)
class _Sum:
    """In the place of an ensemble's ``_raw_predict``."""

    ensemble: Any
    tables: Sequence[Tables]

    def __call__(self, features: Any, n_threads: int | None = None) -> np.ndarray:
        from sklearn.utils.validation import validate_data

        del n_threads
        rows = validate_data(self.ensemble, features, dtype=np.float64, ensure_all_finite=False, reset=False)
        sums = np.zeros((len(rows), len(self.tables)), order="F")
        sums += self.ensemble._baseline_prediction
        for output, tables in enumerate(self.tables):
            add_leaves(tables, rows, sums[:, output])
        return sums


@dataclass(frozen=True)
class _Encode:
    """In the place of an ordinal encoder's ``transform``."""

    encoder: Any

    def __call__(self, features: Any) -> Any:
        if not (isinstance(features, pd.DataFrame) and features.size and (features.dtypes == "str").all()):
            return type(self.encoder).transform(self.encoder, features)
        found = [pd.factorize(features[name], use_na_sentinel=False) for name in features]
        longest = max(len(values) for _, values in found)
        distinct = {
            name: values.take(np.minimum(np.arange(longest), len(values) - 1))
            for name, (_, values) in zip(features, found, strict=True)
        }
        encoded = type(self.encoder).transform(self.encoder, pd.DataFrame(distinct))
        if not isinstance(encoded, np.ndarray):  # set_output wants frames
            return type(self.encoder).transform(self.encoder, features)
        return np.column_stack([encoded[codes, column] for column, (codes, _) in enumerate(found)])
