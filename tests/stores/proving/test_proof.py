"""A registered model scores its golden rows in a process that has the libraries of scoring alone, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DamagedError, RefusedError
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion
from pipeline.stores.models import Models
from pipeline.stores.proving import Proof, prove_model
from pipeline.stores.proving.closure import list_refused
from pipeline.stores.signatures import SigningKeys
from tests.stores.model_samples import FEATURES, make_parcels, register_saved
from tests.stores.proving.needy_models import Careful, Constant, Curious, Deadly, Forgetful, Needy

KEY = "a key for signing " * 2
OTHER_LIBRARIES = ("mlflow", "great_expectations", "pandera", "pytest")

Prove = Callable[..., Proof]


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    """Save a model, register it, and prove that it loads."""

    def prove_it(estimator: Any, *, accepted: str = KEY, seconds: int = 60, spoil: bool = False) -> Proof:
        lake = Lake(str(tmp_path))
        saved = Models(lake, "parcels", SigningKeys([KEY])).save(
            estimator,
            task="binary",
            feature_set=FEATURES,
            dataset_version="d" * 64,
            parameters={},
            golden=make_parcels(20)[0],
            decimals=4,
        )
        if spoil:
            lake.replace(saved.path, b"altered")
        version = ModelVersion(version="1", registered_at="2024-05-06", registration=register_saved(saved))
        libraries = saved.metadata.library_versions
        return prove_model(str(tmp_path), "parcels", [accepted], version, libraries, seconds=seconds)

    return prove_it


def test_a_model_of_the_libraries_of_scoring_proves_itself(prove: Prove) -> None:
    proof = prove(Constant())
    assert proof.rows == 20
    assert proof.refused > 50


@pytest.mark.parametrize(
    "library",
    ["airflow.sdk", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHER_LIBRARIES), "redis"],
)
def test_a_model_that_imports_another_library_is_refused_by_name(prove: Prove, library: str) -> None:
    """Those of the slow run are refused as the other two are: a package of a namespace, and one of its own."""
    with pytest.raises(RefusedError, match=f"model 1 imports {library.partition('.')[0]}") as refused:
        prove(Needy(library))
    error = refused.value
    assert error.job == "parcels"
    assert error.expected
    assert error.next_step


def test_what_scoring_brings_with_it_may_be_imported(prove: Prove) -> None:
    for library in ("scipy", "threadpoolctl", "dateutil", "pydantic_core"):
        assert prove(Needy(library)).rows == 20


def test_a_library_that_is_not_there_is_not_found_rather_than_forbidden(prove: Prove) -> None:
    """So a model that can do without it does; and what it prints is no answer."""
    assert prove(Careful()).rows == 20


def test_the_key_is_neither_in_the_environment_nor_on_the_command_line(
    prove: Prove, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTJAR_SIGNING_KEY", KEY)
    assert prove(Curious(KEY)).rows == 20


def test_a_model_that_scores_otherwise_after_loading_is_refused(prove: Prove) -> None:
    with pytest.raises(RefusedError, match="does not score its golden rows"):
        prove(Forgetful())


def test_a_model_signed_with_another_key_is_refused(prove: Prove) -> None:
    with pytest.raises(RefusedError, match="not signed by a key that is accepted"):
        prove(Constant(), accepted="another key, of other people " * 2)


def test_a_file_that_was_altered_is_refused(prove: Prove) -> None:
    with pytest.raises(DamagedError, match="not the one that was registered"):
        prove(Constant(), spoil=True)


@pytest.mark.parametrize(("code", "found"), [(3, "exit code 3"), (0, "exit code 0, and no answer")])
def test_a_model_that_ends_its_process_is_refused(prove: Prove, code: int, found: str) -> None:
    with pytest.raises(RefusedError, match="in a clean process") as refused:
        prove(Deadly(code))
    assert refused.value.found == found


def test_a_model_is_not_waited_for_for_ever(prove: Prove) -> None:
    with pytest.raises(RefusedError, match="in a clean process") as refused:
        prove(Constant(), seconds=0)
    assert refused.value.found == "no answer within 0 seconds"


def test_naming_a_library_of_other_work_in_its_metadata_does_not_grant_it() -> None:
    assert "mlflow" in list_refused(["mlflow", "scikit-learn"], "fsspec")


def test_a_library_that_the_model_is_made_of_is_granted_with_what_it_requires() -> None:
    """Nightjar itself needs neither."""
    assert {"yaml", "alembic"} <= set(list_refused([], "fsspec"))
    assert {"alembic", "mako"} & set(list_refused(["alembic"], "fsspec")) == set()


def test_the_file_system_of_the_lake_is_granted() -> None:
    assert "s3fs" in list_refused([], "fsspec")
    assert "s3fs" not in list_refused([], "s3fs")
