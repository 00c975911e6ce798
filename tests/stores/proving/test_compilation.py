"""Trees are compiled in a process of their own, whose end harms nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import NotCompiledError, RefusedError
from pipeline.stores.compiled_models import CompiledModels
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Models
from pipeline.stores.proving import compile_model, prove_model
from pipeline.stores.signatures import SigningKeys
from tests.stores.model_samples import FEATURES, fit_parcels, make_parcels, register_saved
from tests.stores.proving.needy_models import Deadly, Unpicklable
from tests.trees.samples import fit_classifier

KEY = "a key for signing " * 2


def register(root: Path, estimator: Any) -> ModelVersion:
    saved = Models(Lake(str(root)), "parcels", SigningKeys([KEY])).save(
        estimator,
        task="binary",
        feature_set=FEATURES,
        dataset_version="d" * 64,
        parameters={},
        golden=make_parcels(20)[0],
        decimals=4,
    )
    return ModelVersion(version="1", registered_at="2024-05-06", registration=register_saved(saved))


def compile_it(root: Path, version: ModelVersion, *, key: str = KEY, seconds: int = 60) -> Any:
    return compile_model(str(root), "parcels", [key], version, version.registration.library_versions, seconds=seconds)


@pytest.mark.usefixtures("kernel")
def test_what_was_compiled_there_is_used_here(tmp_path: Path) -> None:
    version = register(tmp_path, fit_classifier(make_parcels()[0]))
    compiled = compile_it(tmp_path, version)
    assert (compiled.trees, compiled.rows) == (8, 4096 + 20 * 3)
    lake, keys = Lake(str(tmp_path)), SigningKeys([KEY])
    model = CompiledModels(lake, "parcels", keys).take_over(version, Models(lake, "parcels", keys).load(version))
    assert model.compiled == compiled.digest


def test_a_proof_says_whether_there_are_trees(tmp_path: Path) -> None:
    for estimator, has_trees in (
        (fit_classifier(make_parcels()[0]), True),
        (fit_parcels(), False),
        (Unpicklable(), False),
    ):
        version = register(tmp_path, estimator)
        proof = prove_model(str(tmp_path), "parcels", [KEY], version, version.registration.library_versions)
        assert (proof.rows, proof.has_trees) == (20, has_trees)


@pytest.mark.parametrize(
    ("code", "seconds", "found"), [(3, 60, "exit code 3"), (0, 60, "no answer"), (3, 0, "no answer within 0")]
)
def test_a_process_that_ends_badly_is_no_more_than_a_reason(
    tmp_path: Path, code: int, seconds: int, found: str
) -> None:
    with pytest.raises(NotCompiledError, match="the trees of model 1 could not be compiled") as refused:
        compile_it(tmp_path, register(tmp_path, Deadly(code)), seconds=seconds)
    assert found in str(refused.value.found)


def test_a_model_that_may_not_be_loaded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not signed by a key that is accepted"):
        compile_it(tmp_path, register(tmp_path, fit_parcels()), key="another key, of other people " * 2)


def test_a_model_without_trees_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(NotCompiledError, match="has no trees that could be compiled") as refused:
        compile_it(tmp_path, register(tmp_path, fit_parcels()))
    assert refused.value.found == "LogisticRegression"
