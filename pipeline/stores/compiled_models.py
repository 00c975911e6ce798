"""Compiled trees of registered models: tables, which are data and no code, and what was seen of them.

    jobs/<job>/artifacts/<digest>.trees.parquet
    jobs/<job>/artifacts/<model digest>.compiled.json
    jobs/<job>/artifacts/<model digest>.compiled.<name of the key>.hmac-sha256

They are made when a model is proved (:mod:`pipeline.stores.compiling`).  A model needs none of this: what is missing,
altered, unsigned or made by other code leaves the scoring to scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.digests import canonical_json, digest_all, digest_bytes, digest_code, digest_json
from pipeline.errors import NotCompiledError
from pipeline.predicting import predict_outcomes
from pipeline.stores.golden_rows import decode_golden_rows
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.model_libraries import find_unfit_library, find_versions
from pipeline.stores.models import Model, Models
from pipeline.stores.signatures import ALGORITHM, SigningKeys
from pipeline.stores.tree_tables import decode_tables, encode_tables
from pipeline.trees.kernel import check_kernel, digest_kernel
from pipeline.trees.substitution import Parts, find_parts, has_trees
from pipeline.trees.tables import Tables

_SIGNED = "nightjar compiled trees"
_LIBRARIES = ["scikit-learn", "numpy", "pandas"]
_CODE = ("pipeline.trees.tables", "pipeline.trees.kernel", "pipeline.trees.substitution", "pipeline.stores.tree_tables")


class CompiledTrees(BaseModel):
    """What is known of a model's compiled trees.

    Attributes:
        model: digest of the model's file.
        tables: digest of the tables' file.
        trees: how many there are in the tables.
        rows: rows that were seen to get the same sums and predictions, to the last bit, as from scikit-learn.
        code: digest of the code that made the tables and scores by them.
        library_versions: of what they were compared with.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    tables: str
    trees: int
    rows: int
    code: str
    library_versions: dict[str, str]

    @property
    def digest(self) -> str:
        """Digest of all of it: what scores are named by that were made by these tables."""
        return digest_json(self.model_dump())


class CompiledModels:
    """The compiled trees of one job's models."""

    def __init__(self, lake: Lake, job: str, keys: SigningKeys) -> None:
        self._lake = lake
        self._job = job
        self._keys = keys
        self._models = Models(lake, job, keys)
        self._folder = f"jobs/{job}/artifacts"

    def save(self, model: str, tables: Sequence[Sequence[Tables]], trees: int, rows: int) -> CompiledTrees:
        """Write the tables of a model's ensembles, and what was seen of them; sign it if there is a key.

        Args:
            model: digest of its file.
            tables: by ensemble and output.
        """
        content = encode_tables(tables)
        compiled = CompiledTrees(
            model=model,
            tables=digest_bytes(content),
            trees=trees,
            rows=rows,
            code=_digest_code(),
            library_versions=find_versions(_LIBRARIES),
        )
        self._lake.replace(self._tables_path(compiled.tables), content)
        for name in self._keys.names[:1]:
            signature = self._keys.sign(name, _SIGNED, job=self._job, compiled=compiled.digest)
            self._lake.replace(self._signature_path(model, name), signature.encode())
        self._lake.replace(self._path(model), canonical_json(compiled.model_dump()).encode())
        return compiled

    def find(self, version: ModelVersion) -> CompiledTrees:
        """What is known of a model's compiled trees, if they may be used here; neither they nor the model are read.

        Raises:
            NotCompiledError: there is nothing, or it may not be used here, and why.
        """
        model = version.registration.model_digest
        try:
            compiled = CompiledTrees.model_validate_json(self._lake.read_bytes(self._path(model)))
        except FileNotFoundError as error:
            raise self._refused(version, "are not compiled") from error
        except ValidationError as error:
            raise self._refused(version, "are described by a file that was altered") from error
        if compiled.model != model:
            raise self._refused(version, "are those of another model")
        names = self._keys.names
        if names and not any(self._is_signed_by(name, compiled) for name in names):
            raise self._refused(version, "are not signed by a key that is accepted here")
        if compiled.code != _digest_code():
            raise self._refused(version, "were compiled by another version of Nightjar")
        unfit = find_unfit_library(compiled.library_versions, find_versions(_LIBRARIES))
        if unfit is not None:
            raise self._refused(version, f"were compared with another {unfit}")
        check_kernel()
        return compiled

    def take_over(self, version: ModelVersion, model: Model) -> Model:
        """The model, with compiled trees in the place of its own; as it is, if it has none that could be compiled.

        Raises:
            NotCompiledError: they may not be used here, or do not score the golden rows as scikit-learn does here; the
                model is as it was.
        """
        if not has_trees(model.estimator):
            return model
        compiled = self.find(version)
        parts = find_parts(model.estimator)
        rows = self.read_golden(version, model)
        expected = predict_outcomes(model.estimator, rows, model.metadata.task)
        found = self._substitute(version, model, parts, compiled, rows)
        if not np.array_equal(found, expected, equal_nan=True):
            parts.restore()
            most = float(np.nanmax(np.abs(found - expected)))
            raise self._refused(version, f"score the golden rows otherwise than scikit-learn, by up to {most:g}")
        return replace(model, compiled=compiled.digest)

    def _substitute(
        self, version: ModelVersion, model: Model, parts: Parts, compiled: CompiledTrees, rows: pd.DataFrame
    ) -> np.ndarray:
        """Have the tables score, and predict the rows; what fails leaves the model as it was."""
        try:
            parts.substitute(self._read_tables(version, compiled))
            return predict_outcomes(model.estimator, rows, model.metadata.task)
        except NotCompiledError:
            parts.restore()
            raise
        except Exception as error:  # whatever it is, scikit-learn can score
            parts.restore()
            raise self._refused(version, f"cannot be scored by their tables: {type(error).__name__}") from error

    def read_golden(self, version: ModelVersion, model: Model) -> pd.DataFrame:
        """The golden rows of a model that was loaded, without their scores.

        Raises:
            NotCompiledError: there are none.
            DamagedError: their file is missing or altered.
        """
        golden = model.metadata.golden
        if golden is None:
            raise self._refused(version, "have no golden rows to score")
        return decode_golden_rows(self._models.read_golden(version, golden))[0]

    def _read_tables(self, version: ModelVersion, compiled: CompiledTrees) -> list[list[Tables]]:
        try:
            content = self._lake.read_bytes(self._tables_path(compiled.tables))
        except FileNotFoundError as error:
            raise self._refused(version, "are not in the lake any more") from error
        if digest_bytes(content) != compiled.tables:
            raise self._refused(version, "were altered")
        return decode_tables(content)

    def _is_signed_by(self, name: str, compiled: CompiledTrees) -> bool:
        try:
            signature = self._lake.read_bytes(self._signature_path(compiled.model, name))
        except FileNotFoundError:
            return False
        return self._keys.holds(signature, name, _SIGNED, job=self._job, compiled=compiled.digest)

    def _refused(self, version: ModelVersion, problem: str) -> NotCompiledError:
        return NotCompiledError(
            f"the trees of model {version.version} {problem}",
            job=self._job,
            next_step=f"nightjar compile {self._job} {version.version}",
        )

    def _path(self, model: str) -> str:
        return f"{self._folder}/{model}.compiled.json"

    def _signature_path(self, model: str, key: str) -> str:
        return f"{self._folder}/{model}.compiled.{key}.{ALGORITHM}"

    def _tables_path(self, digest: str) -> str:
        return f"{self._folder}/{digest}.trees.parquet"


@cache
def _digest_code() -> str:
    return digest_all([digest_code(*_CODE), digest_kernel()])
