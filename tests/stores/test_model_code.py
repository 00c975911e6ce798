from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pipeline.errors import DeclarationError
from pipeline.stores.model_code import digest_estimator_code, digest_module
from tests.stores.code_samples import SCALER, Project, open_project
from tests.stores.model_samples import fit_parcels


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with open_project(tmp_path) as project:
        yield project


def test_a_model_of_libraries_alone_has_no_code_of_the_project() -> None:
    assert digest_estimator_code(fit_parcels()) == {}


def test_the_module_of_a_transformer_is_named_with_its_digest(project: Project) -> None:
    scaling = project.add("scaling")
    found = digest_estimator_code(make_pipeline(scaling.Scale(), fit_parcels()))
    assert found == {"scaling": digest_module("scaling")}


def test_functions_are_code_too(project: Project) -> None:
    scaling = project.add("scaling")
    assert set(digest_estimator_code(FunctionTransformer(scaling.halve))) == {"scaling"}
    assert set(digest_estimator_code(FunctionTransformer(partial(scaling.halve)))) == {"scaling"}


def test_what_is_in_an_array_of_objects_is_found(project: Project) -> None:
    """joblib hands such arrays on to another pickler."""
    estimator = fit_parcels()
    estimator.steps_ = np.array([[project.add("scaling").Scale()]], dtype=object)
    assert set(digest_estimator_code(estimator)) == {"scaling"}


def test_the_modules_of_base_classes_are_found(project: Project) -> None:
    project.add("scaling")
    derived = project.add("derived", "from scaling import Scale\n\nclass Own(Scale):\n    pass\n")
    assert set(digest_estimator_code(derived.Own())) == {"derived", "scaling"}


def test_installed_packages_do_not_count_but_nightjars_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_project(tmp_path / "site-packages") as installed:
        scaling = installed.add("scaling")
        assert digest_estimator_code(scaling.Scale()) == {}
        monkeypatch.setattr("pipeline.stores.model_code._OWN_PACKAGES", ("scaling",))
        assert set(digest_estimator_code(scaling.Scale())) == {"scaling"}


def test_comments_do_not_count_and_behaviour_does(project: Project) -> None:
    project.add("scaling")
    before = digest_module("scaling")
    project.write("scaling", "# twice\n" + SCALER)
    assert digest_module("scaling") == before
    project.write("scaling", SCALER.replace("* 2", "* 3"))
    assert digest_module("scaling") != before


def test_what_the_module_imports_of_the_project_counts(project: Project) -> None:
    project.write("own.factors", "FACTOR = 2\n")
    scaling = project.add("own.scaling", "from own.factors import FACTOR\n" + SCALER.replace("* 2", "* FACTOR"))
    before = digest_estimator_code(scaling.Scale())
    project.write("own.factors", "FACTOR = 3\n")
    after = digest_estimator_code(scaling.Scale())
    assert set(before) == set(after) == {"own.scaling"}
    assert before != after


def test_a_module_that_is_gone_has_no_digest() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        digest_module("no_such_module")


def test_code_of_the_program_that_was_started_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program could not load the model."""

    class Own:
        pass

    Own.__module__, Own.__qualname__ = "__main__", "Own"
    monkeypatch.setattr(sys.modules["__main__"], "Own", Own, raising=False)
    with pytest.raises(DeclarationError, match="__main__"):
        digest_estimator_code(Own())
