from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from pipeline.digests import canonical_json, digest_bytes
from pipeline.errors import DamagedError, RefusedError
from pipeline.stores.lake import Lake
from pipeline.stores.model_code import digest_module
from pipeline.stores.model_metadata import SavedModel
from pipeline.stores.models import Models, describe_parameters
from tests.stores.code_samples import SCALER, Project, open_project
from tests.stores.model_samples import FEATURES, fit_parcels, make_parcels, save_parcels, version_of

REPOSITORY = Path(__file__).parents[2]
FIT_AND_SAVE = """
import sys
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from features.declarations import Feature, FeatureSet
from pipeline.stores.lake import Lake
from pipeline.stores.models import Models

random = np.random.default_rng(1)
rows = pd.DataFrame({"weight": random.normal(size=2000), "town": random.choice(["Bonn", "Trier", "Ulm"], 2000)})
encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
estimator = make_pipeline(
    make_column_transformer((encode, ["town"]), remainder="passthrough"),
    HistGradientBoostingClassifier(max_iter=5, random_state=3),
).fit(rows, (rows["weight"] > 0).astype("int64"))
feature_set = FeatureSet(name="parcels", version=1, features=(Feature("weight"), Feature("town", "category")))
saved = Models(Lake(sys.argv[1]), "parcels").save(
    estimator,
    task="binary",
    feature_set=feature_set,
    dataset_version="d",
    parameters={"seed": 3},
    golden=rows.head(9),
    decimals=6,
)
print(saved.digest, saved.metadata_digest)
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@pytest.fixture
def models(lake: Lake) -> Models:
    return Models(lake, "parcels")


@pytest.fixture
def saved(models: Models) -> SavedModel:
    return save_parcels(models)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with open_project(tmp_path / "project") as project:
        yield project


def test_a_loaded_model_predicts_like_the_saved_one(models: Models, saved: SavedModel) -> None:
    features, _ = make_parcels()
    model = models.load(version_of(saved))
    assert model.version == "4"
    assert np.array_equal(model.estimator.predict_proba(features), fit_parcels().predict_proba(features))


def test_the_metadata_says_what_the_model_needs(models: Models, saved: SavedModel) -> None:
    model = models.load(version_of(saved))
    assert model.feature_columns == ("weight", "distance")
    assert model.feature_set_digest == FEATURES.digest
    assert model.metadata.dataset_version == "d" * 64
    assert set(model.metadata.library_versions) >= {"python", "scikit-learn", "numpy", "joblib"}
    assert model.metadata.parameters["seed"] == 7
    assert model.metadata.parameters["C"] == 1.0


def test_the_file_is_named_by_its_digest(lake: Lake, saved: SavedModel) -> None:
    assert saved.path == f"jobs/parcels/artifacts/{saved.digest}.joblib"
    assert digest_bytes(lake.read_bytes(saved.path)) == saved.digest


def test_the_same_model_has_the_same_file_and_another_one_another(models: Models, saved: SavedModel) -> None:
    assert save_parcels(models) == saved
    assert save_parcels(models, fit_parcels(0.1)).digest != saved.digest


def test_training_again_in_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whatever order Python hashes strings in, and whether Airflow's libraries were imported before or not."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", f"{first}\n{FIT_AND_SAVE}", str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "2"},
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, first in (("1", ""), ("2", "import dill"))
    }
    assert len(digests) == 1


def test_altered_bytes_are_refused_before_anything_is_unpickled(tmp_path: Path, lake: Lake, models: Models) -> None:
    """An altered file could run code when it is unpickled, so a mark of having run must not appear."""
    saved = save_parcels(models)
    mark = tmp_path / "was-unpickled"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (mark,)

    lake.replace(saved.path, pickle.dumps(Trap()))
    with pytest.raises(DamagedError) as damaged:
        models.load(version_of(saved))
    assert not mark.exists()
    assert saved.digest in str(damaged.value.expected)
    assert digest_bytes(lake.read_bytes(saved.path)) in str(damaged.value.found)
    assert "nightjar train parcels --partition 2024-05-05" in str(damaged.value.next_step)


def test_one_flipped_bit_is_noticed(lake: Lake, models: Models, saved: SavedModel) -> None:
    content = bytearray(lake.read_bytes(saved.path))
    content[len(content) // 2] ^= 1
    lake.replace(saved.path, bytes(content))
    with pytest.raises(DamagedError):
        models.load(version_of(saved))


def test_a_missing_file_is_damage(lake: Lake, models: Models, saved: SavedModel) -> None:
    lake.remove(saved.path)
    with pytest.raises(DamagedError, match="no such file"):
        models.load(version_of(saved))


def test_altered_metadata_is_refused(lake: Lake, models: Models, saved: SavedModel) -> None:
    """Columns in another order would give other scores, and no error."""
    path = next(name for name in lake.list("jobs/parcels/artifacts") if name.endswith(".json"))
    content = lake.read_json(f"jobs/parcels/artifacts/{path}")
    content["features"].reverse()
    lake.replace(f"jobs/parcels/artifacts/{path}", canonical_json(content).encode())
    with pytest.raises(DamagedError, match="SHA-256"):
        models.load(version_of(saved))


def test_training_again_mends_an_altered_file(lake: Lake, models: Models, saved: SavedModel) -> None:
    lake.replace(saved.path, b"altered")
    save_parcels(models)
    assert models.load(version_of(saved)).version == "4"


def test_a_model_is_intact_until_one_of_its_files_is_altered_or_missing(
    lake: Lake, models: Models, saved: SavedModel
) -> None:
    assert models.is_intact(saved)
    for name in lake.list("jobs/parcels/artifacts"):
        path = f"jobs/parcels/artifacts/{name}"
        lake.replace(path, b"altered")
        assert not models.is_intact(saved)
        lake.remove(path)
        assert not models.is_intact(saved)
        save_parcels(models)
        assert models.is_intact(saved)


def test_a_model_of_another_scikit_learn_is_refused(lake: Lake, models: Models, saved: SavedModel) -> None:
    versions = {**saved.metadata.library_versions, "scikit-learn": "0.1.2"}
    metadata = saved.metadata.model_copy(update={"library_versions": versions})
    content = canonical_json(metadata.model_dump(mode="json")).encode()
    digest = digest_bytes(content)
    lake.replace(f"jobs/parcels/artifacts/{saved.digest}.{digest[:16]}.json", content)
    with pytest.raises(RefusedError) as refused:
        models.load(version_of(saved.model_copy(update={"metadata_digest": digest})))
    assert refused.value.expected == "scikit-learn 0.1.2"


def test_a_model_whose_code_is_gone_is_refused(lake: Lake, models: Models, saved: SavedModel) -> None:
    content = b"cno_such_package.models\nEstimator\n."
    path = f"jobs/parcels/artifacts/{digest_bytes(content)}.joblib"
    lake.replace(path, content)
    description = canonical_json(saved.metadata.model_dump(mode="json")).encode()
    lake.replace(f"{path.removesuffix('.joblib')}.{saved.metadata_digest[:16]}.json", description)
    moved = saved.model_copy(update={"digest": digest_bytes(content), "path": path})
    with pytest.raises(RefusedError, match="no_such_package"):
        models.load(version_of(moved))


def test_parameters_without_a_json_form_are_told_as_text() -> None:
    estimator = fit_parcels()
    estimator.set_params(tol=float("nan"))
    assert describe_parameters(estimator)["tol"] == "nan"
    json.dumps(describe_parameters(estimator), allow_nan=False)


def test_another_version_of_the_features_is_another_metadata_file(models: Models, saved: SavedModel) -> None:
    other = save_parcels(models, feature_set=replace(FEATURES, version=4))
    assert other.digest == saved.digest
    assert other.metadata_digest != saved.metadata_digest
    assert models.load(version_of(saved)).metadata.feature_set_version == 3


def test_the_file_is_one_that_joblib_reads(lake: Lake, saved: SavedModel) -> None:
    features, _ = make_parcels()
    read = joblib.load(io.BytesIO(lake.read_bytes(saved.path)))
    assert np.array_equal(read.predict_proba(features), fit_parcels().predict_proba(features))


def test_metadata_is_read_without_unpickling_and_only_as_it_was_registered(
    lake: Lake, models: Models, saved: SavedModel
) -> None:
    lake.replace(saved.path, b"no pickle")
    assert models.read_metadata(version_of(saved)) == saved.metadata
    path = next(name for name in lake.list("jobs/parcels/artifacts") if name.endswith(".json"))
    lake.replace(f"jobs/parcels/artifacts/{path}", b"{}")
    with pytest.raises(DamagedError, match="SHA-256"):
        models.read_metadata(version_of(saved))


def save_scaled(models: Models, scaling: ModuleType) -> SavedModel:
    return save_parcels(models, make_pipeline(scaling.Scale(), fit_parcels()))


def test_a_model_of_other_code_is_refused(project: Project, models: Models) -> None:
    """Its file names the transformer, so that changed code would give other scores under the same digest."""
    scaling = project.add("scaling")
    saved = save_scaled(models, scaling)
    assert models.load(version_of(saved)).code == {"scaling": digest_module("scaling")}
    project.write("scaling", SCALER.replace("* 2", "* 3"))
    with pytest.raises(RefusedError, match="model 4 was made with other code") as refused:
        models.load(version_of(saved))
    assert refused.value.expected == f"scaling with digest {saved.metadata.code['scaling']}"
    assert refused.value.found == digest_module("scaling")
    again = save_scaled(models, scaling)
    assert again.digest == saved.digest
    assert again.metadata_digest != saved.metadata_digest
    project.write("scaling", SCALER)
    assert models.load(version_of(saved)).version == "4"


def test_a_model_whose_code_was_removed_is_refused(project: Project, models: Models) -> None:
    saved = save_scaled(models, project.add("scaling"))
    project.forget("scaling")
    with pytest.raises(RefusedError, match="no module scaling"):
        models.load(version_of(saved))
