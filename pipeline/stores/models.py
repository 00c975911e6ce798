"""Model files: the fitted estimator as joblib bytes, named by digest, and beside it what is needed to use it.

    jobs/<job>/artifacts/<digest>.joblib
    jobs/<job>/artifacts/<digest>.<digest of the metadata>.json

Unpickling runs code, so a file is unpickled only after its bytes were found to be those that the ledger names.
"""

from __future__ import annotations

import io
import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as library_version
from typing import Any

import joblib
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.declarations import FeatureSet, Kind
from pipeline.digests import canonical_json, digest_bytes
from pipeline.errors import DamagedError, RefusedError
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion, Parameter
from pipeline.stores.model_code import digest_estimator_code, digest_module

_LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib", "pandas")
# Python 3.11 and 3.12 know it; fixed, so that a newer default does not change digests.
_PICKLE_PROTOCOL = 5


class ModelFeature(BaseModel):
    """A column that the model gets."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind


class ModelMetadata(BaseModel):
    """What has to be known of a model to use it.

    Attributes:
        code: digest by module, of the project's modules whose classes and functions the model's file names.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    feature_set_name: str
    feature_set_version: int
    feature_set_digest: str
    features: tuple[ModelFeature, ...]
    dataset_version: str
    parameters: dict[str, Parameter]
    library_versions: dict[str, str]
    code: dict[str, str] = Field(default_factory=dict)


class SavedModel(BaseModel):
    """Where a model's file is, and the digests of what was written."""

    model_config = ConfigDict(frozen=True)

    path: str
    digest: str
    metadata_digest: str
    metadata: ModelMetadata


@dataclass(frozen=True)
class Model:
    """A fitted estimator whose bytes were verified."""

    version: str
    estimator: Any
    metadata: ModelMetadata

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """Columns that the estimator gets, in order."""
        return tuple(feature.name for feature in self.metadata.features)

    @property
    def feature_set_digest(self) -> str:
        """Digest of the definitions of the features it was trained on."""
        return self.metadata.feature_set_digest

    @property
    def code(self) -> dict[str, str]:
        """Digest by module, of the project's code that computes its scores."""
        return self.metadata.code


class Models:
    """The model files of one job."""

    def __init__(self, lake: Lake, job: str) -> None:
        self._lake = lake
        self._job = job
        self._folder = f"jobs/{job}/artifacts"

    def save(
        self,
        estimator: Any,
        *,
        task: str,
        feature_set: FeatureSet,
        dataset_version: str,
        parameters: Mapping[str, Parameter],
        package: str = "pipeline",
    ) -> SavedModel:
        """Write a fitted estimator and its metadata.

        The same estimator gets the same digest, and so the same file: fitting again on the same rows with the same seed
        does, in one environment (library versions and number of OpenMP threads, which estimators keep).  What a broken
        disk left at the file's name is mended.

        Args:
            package: top-level package of the job's model, whose code is part of what the model is.
            parameters: settings of the training; those of the estimator are added, unless they are named here.

        Raises:
            DeclarationError: the estimator's code is in no module that can be imported.
        """
        buffer = io.BytesIO()
        joblib.dump(estimator, buffer, protocol=_PICKLE_PROTOCOL)
        content = buffer.getvalue()
        metadata = ModelMetadata(
            task=task,
            feature_set_name=feature_set.name,
            feature_set_version=feature_set.version,
            feature_set_digest=feature_set.digest,
            features=tuple(ModelFeature(name=column.name, kind=column.kind) for column in feature_set.columns),
            dataset_version=dataset_version,
            parameters={**describe_parameters(estimator), **parameters},
            library_versions=list_library_versions(),
            code=digest_estimator_code(estimator, package),
        )
        description = canonical_json(metadata.model_dump(mode="json")).encode()
        digest, metadata_digest = digest_bytes(content), digest_bytes(description)
        self._lake.replace(self._path(digest), content)
        self._lake.replace(self._metadata_path(digest, metadata_digest), description)
        return SavedModel(path=self._path(digest), digest=digest, metadata_digest=metadata_digest, metadata=metadata)

    def is_intact(self, saved: SavedModel) -> bool:
        """Whether both files are there with the bytes that were saved; if not, saving the model again mends them."""
        expected = {
            saved.path: saved.digest,
            self._metadata_path(saved.digest, saved.metadata_digest): saved.metadata_digest,
        }
        try:
            return all(digest_bytes(self._lake.read_bytes(path)) == digest for path, digest in expected.items())
        except FileNotFoundError:
            return False

    def read_metadata(self, version: ModelVersion) -> ModelMetadata:
        """What is known of a registered model; nothing is unpickled.

        Raises:
            DamagedError: the file is missing, or its bytes are not those that were registered.
        """
        registration = version.registration
        path = self._metadata_path(registration.model_digest, registration.metadata_digest)
        try:
            return ModelMetadata.model_validate_json(self._read(version, path, registration.metadata_digest))
        except ValidationError as error:
            raise self._damaged(version, "metadata of a model", str(error)) from error

    def load(self, version: ModelVersion) -> Model:
        """Read a registered model.

        Raises:
            DamagedError: a file is missing, or its bytes are not those that were registered; nothing was unpickled.
            RefusedError: it was made with another scikit-learn or with other code, or its code is not here.
        """
        registration = version.registration
        metadata = self.read_metadata(version)
        self._check_libraries(version, metadata)
        self._check_code(version, metadata)
        content = self._read(version, registration.artifact_path, registration.model_digest)
        try:
            estimator = joblib.load(io.BytesIO(content))
        except (ImportError, AttributeError) as error:
            raise RefusedError(
                f"model {version.version} needs code that is not here",
                job=self._job,
                expected=f"the code that trained it, version {registration.code_version}",
                found=str(error),
                next_step=f"install that code, or train with this one: nightjar train {self._job}",
            ) from error
        return Model(version=version.version, estimator=estimator, metadata=metadata)

    def _read(self, version: ModelVersion, path: str, expected: str) -> bytes:
        try:
            content = self._lake.read_bytes(path)
        except FileNotFoundError as error:
            raise self._damaged(version, f"the file {self._lake.url(path)}", "no such file") from error
        found = digest_bytes(content)
        if found != expected:
            raise self._damaged(version, f"{self._lake.url(path)} with SHA-256 {expected}", f"SHA-256 {found}")
        return content

    def _check_libraries(self, version: ModelVersion, metadata: ModelMetadata) -> None:
        """scikit-learn promises nothing about reading another minor version's estimators."""
        made_with = metadata.library_versions["scikit-learn"]
        here = library_version("scikit-learn")
        if made_with.split(".")[:2] != here.split(".")[:2]:
            raise RefusedError(
                f"model {version.version} was made with another scikit-learn",
                job=self._job,
                expected=f"scikit-learn {made_with}",
                found=f"scikit-learn {here}",
                next_step=f"install the version it was made with, or train anew: nightjar train {self._job}",
            )

    def _check_code(self, version: ModelVersion, metadata: ModelMetadata) -> None:
        """The file names classes and functions: other code behind the names would give other scores."""
        for module, expected in metadata.code.items():
            try:
                found = digest_module(module)
            except ModuleNotFoundError as error:
                found = str(error)
            if found != expected:
                raise RefusedError(
                    f"model {version.version} was made with other code",
                    job=self._job,
                    expected=f"{module} with digest {expected}",
                    found=found,
                    next_step=f"restore that code, or train with this one: nightjar train {self._job}",
                )

    def _damaged(self, version: ModelVersion, expected: str, found: str) -> DamagedError:
        partition = version.registration.partition
        return DamagedError(
            f"model {version.version} is not the one that was registered; it was not loaded",
            job=self._job,
            expected=expected,
            found=found,
            next_step="restore the file from a backup of the lake, or write it anew by training on the same data: "
            f"nightjar train {self._job} --partition {partition}",
        )

    def _path(self, digest: str) -> str:
        return f"{self._folder}/{digest}.joblib"

    def _metadata_path(self, digest: str, metadata_digest: str) -> str:
        return f"{self._folder}/{digest}.{metadata_digest[:16]}.json"


def describe_parameters(estimator: Any) -> dict[str, Parameter]:
    """The estimator's parameters that are single values, by scikit-learn's names such as ``model__max_iter``."""
    return {
        name: repr(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None or isinstance(value, str | int | float | bool)
    }


def list_library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a model's bytes and scores depend on."""
    return {"python": platform.python_version(), **{name: library_version(name) for name in _LIBRARIES}}
