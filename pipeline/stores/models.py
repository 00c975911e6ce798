"""Model files: the fitted estimator as joblib bytes, named by digest, and beside it what is needed to use it.

    jobs/<job>/artifacts/<digest>.joblib
    jobs/<job>/artifacts/<digest>.<digest of the metadata>.json
    jobs/<job>/artifacts/<digest>.<digest of the metadata>.<name of the key>.hmac-sha256
    jobs/<job>/artifacts/<digest of the golden rows>.golden.parquet

Unpickling runs code, so a file is unpickled only after its signature was found to hold and its bytes to be those that
the ledger names.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import joblib
import pandas as pd
from pydantic import ValidationError

from features.declarations import FeatureSet
from pipeline.digests import canonical_json, digest_bytes
from pipeline.errors import DamagedError, RefusedError
from pipeline.stores.golden_rows import GoldenRows, encode_golden_rows
from pipeline.stores.lake import Lake
from pipeline.stores.ledger_events import ModelVersion, Parameter
from pipeline.stores.model_checks import ModelChecks
from pipeline.stores.model_code import digest_estimator_code
from pipeline.stores.model_libraries import list_library_versions
from pipeline.stores.model_metadata import ModelFeature, ModelMetadata, SavedModel
from pipeline.stores.model_pickling import pickle_estimator
from pipeline.stores.signatures import ALGORITHM, SigningKeys

_NO_KEYS = SigningKeys(())
_SIGNED = "nightjar model"


@dataclass(frozen=True)
class Model:
    """A fitted estimator whose bytes were verified.

    Attributes:
        compiled: digest of the compiled trees that take the part of the estimator's own; None if nothing does.
    """

    version: str
    estimator: Any
    metadata: ModelMetadata
    compiled: str | None = None

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """Columns that the estimator gets, in order."""
        return self.metadata.columns

    @property
    def feature_set_digest(self) -> str:
        """Digest of the definitions of the features it was trained on."""
        return self.metadata.feature_set_digest

    @property
    def code(self) -> dict[str, str]:
        """Digest by module, of the project's code that computes its scores."""
        return self.metadata.code

    @property
    def priors(self) -> Mapping[str, float]:
        """What an entity is told that is not in the population, by segment; ``""`` is for all."""
        return self.metadata.priors


class Models:
    """The model files of one job."""

    def __init__(self, lake: Lake, job: str, keys: SigningKeys = _NO_KEYS) -> None:
        self._lake = lake
        self._job = job
        self._keys = keys
        self._folder = f"jobs/{job}/artifacts"

    def save(
        self,
        estimator: Any,
        *,
        task: Literal["binary", "regression"],
        feature_set: FeatureSet,
        dataset_version: str,
        parameters: Mapping[str, Parameter],
        golden: pd.DataFrame,
        decimals: int,
        priors: Mapping[str, float] | None = None,
        prior_segment: str | None = None,
        package: str = "pipeline",
    ) -> SavedModel:
        """Write a fitted estimator, its metadata and its golden rows, and sign them if there is a key.

        The same estimator gets the same digest, and so the same file: fitting again on the same rows with the same seed
        does, with the same versions of the libraries.  What a broken disk left at the file's name is mended, and a
        signature that is missing is made.

        Args:
            package: top-level package of the job's model, whose code is part of what the model is.
            parameters: settings of the training; those of the estimator are added, unless they are named here.
            golden: rows of the feature columns that must get the same scores for ever, to so many ``decimals``.

        Raises:
            DeclarationError: the estimator's code is in no module that can be imported.
        """
        content = pickle_estimator(estimator)
        kinds = {column.name: column.kind for column in feature_set.columns}
        golden_content, golden_rows = encode_golden_rows(estimator, golden, kinds, task, decimals)
        metadata = ModelMetadata(
            task=task,
            feature_set_name=feature_set.name,
            feature_set_version=feature_set.version,
            feature_set_digest=feature_set.digest,
            features=tuple(ModelFeature(name=name, kind=kind) for name, kind in kinds.items()),
            dataset_version=dataset_version,
            parameters={**describe_parameters(estimator), **parameters},
            library_versions=list_library_versions(estimator),
            code=digest_estimator_code(estimator, package),
            golden=golden_rows,
            priors=dict(priors or {}),
            prior_segment=prior_segment,
        )
        description = canonical_json(metadata.model_dump(mode="json")).encode()
        digest, metadata_digest = digest_bytes(content), digest_bytes(description)
        saved = SavedModel(path=self._path(digest), digest=digest, metadata_digest=metadata_digest, metadata=metadata)
        self._lake.replace(saved.path, content)
        self._lake.replace(self._golden_path(golden_rows.digest), golden_content)
        self._lake.replace(self._metadata_path(digest, metadata_digest), description)
        for name in self._keys.names[:1]:
            signature = self._keys.sign(name, _SIGNED, job=self._job, model=digest, metadata=metadata_digest)
            self._lake.replace(self._signature_path(digest, metadata_digest, name), signature.encode())
        return saved

    def is_intact(self, saved: SavedModel) -> bool:
        """Whether all files are there with the bytes that were saved, signed by the key that signs now.

        If not, saving the model again mends them.
        """
        expected = {
            saved.path: saved.digest,
            self._metadata_path(saved.digest, saved.metadata_digest): saved.metadata_digest,
        }
        if saved.metadata.golden is not None:
            expected[self._golden_path(saved.metadata.golden.digest)] = saved.metadata.golden.digest
        try:
            return all(
                digest_bytes(self._lake.read_bytes(path)) == digest for path, digest in expected.items()
            ) and all(self._is_signed_by(name, saved.digest, saved.metadata_digest) for name in self._keys.names[:1])
        except FileNotFoundError:
            return False

    def check_signature(self, version: ModelVersion) -> bool:
        """Whether the model is signed by a key that is accepted; False if there is no key and it was never signed.

        Raises:
            RefusedError: keys are accepted and none of them has signed it; or it is signed, and there is no key to tell
                whether the signature holds.
        """
        digest, metadata_digest = version.registration.identity
        if any(self._is_signed_by(name, digest, metadata_digest) for name in self._keys.names):
            return True
        found = self._list_signatures(digest, metadata_digest)
        if not self._keys.names and not found:
            return False
        raise RefusedError(
            f"model {version.version} is not signed by a key that is accepted here; it was not loaded",
            job=self._job,
            expected="a signature by "
            + (" or ".join(self._keys.names) or "a key of NIGHTJAR_SIGNING_KEY, which is empty"),
            found=f"signatures that claim to be by {', '.join(found)}" if found else "no signature",
            next_step="add the key that signed it to NIGHTJAR_SIGNING_KEY, behind the one that signs; or sign it by "
            f"training on the same data: nightjar train {self._job} --partition {version.registration.partition}",
        )

    def read_metadata(self, version: ModelVersion) -> ModelMetadata:
        """What is known of a registered model; nothing is unpickled.

        Raises:
            RefusedError: its signature does not hold.
            DamagedError: the file is missing, or its bytes are not those that were registered.
        """
        self.check_signature(version)
        registration = version.registration
        path = self._metadata_path(registration.model_digest, registration.metadata_digest)
        try:
            return ModelMetadata.model_validate_json(self._read(version, path, registration.metadata_digest))
        except ValidationError as error:
            raise self._damaged(version, "metadata of a model", str(error)) from error

    def load(self, version: ModelVersion) -> Model:
        """Read a registered model, and have it score its golden rows.

        Raises:
            DamagedError: a file is missing, or its bytes are not those that were registered; nothing was unpickled.
            OutdatedModelError: it was made with other code, or its code is not here; nothing was unpickled.
            RefusedError: it is not signed as it should be, or was made with other libraries: nothing was unpickled; or
                it does not score its golden rows as at its training.
        """
        metadata = self.read_metadata(version)
        checks = ModelChecks(self._job, version, metadata)
        checks.check_libraries()
        checks.check_code()
        golden = checks.require_golden()
        golden_content = self.read_golden(version, golden)
        content = self._read(version, version.registration.artifact_path, version.registration.model_digest)
        try:
            estimator = joblib.load(io.BytesIO(content))
        except (ImportError, AttributeError) as error:
            raise checks.lack_code(error) from error
        checks.check_columns(estimator, golden_content)
        checks.check_golden(estimator, golden, golden_content)
        return Model(version=version.version, estimator=estimator, metadata=metadata)

    def read_golden(self, version: ModelVersion, golden: GoldenRows) -> bytes:
        """The file of a model's golden rows, as its metadata describes them.

        Raises:
            DamagedError: it is missing, or its bytes are not those that were registered.
        """
        return self._read(version, self._golden_path(golden.digest), golden.digest)

    def _is_signed_by(self, name: str, digest: str, metadata_digest: str) -> bool:
        try:
            signature = self._lake.read_bytes(self._signature_path(digest, metadata_digest, name))
        except FileNotFoundError:
            return False
        return self._keys.holds(signature, name, _SIGNED, job=self._job, model=digest, metadata=metadata_digest)

    def _list_signatures(self, digest: str, metadata_digest: str) -> list[str]:
        """Names of the keys that are said to have signed the model."""
        start, end = f"{digest}.{metadata_digest[:16]}.", f".{ALGORITHM}"
        names = self._lake.list(self._folder)
        return [name[len(start) : -len(end)] for name in names if name.startswith(start) and name.endswith(end)]

    def _read(self, version: ModelVersion, path: str, expected: str) -> bytes:
        try:
            content = self._lake.read_bytes(path)
        except FileNotFoundError as error:
            raise self._damaged(version, f"the file {self._lake.url(path)}", "no such file") from error
        found = digest_bytes(content)
        if found != expected:
            raise self._damaged(version, f"{self._lake.url(path)} with SHA-256 {expected}", f"SHA-256 {found}")
        return content

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

    def _signature_path(self, digest: str, metadata_digest: str, key: str) -> str:
        return f"{self._folder}/{digest}.{metadata_digest[:16]}.{key}.{ALGORITHM}"

    def _golden_path(self, digest: str) -> str:
        return f"{self._folder}/{digest}.golden.parquet"


def describe_parameters(estimator: Any) -> dict[str, Parameter]:
    """The estimator's parameters that are single values, by scikit-learn's names such as ``model__max_iter``."""
    return {
        name: repr(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None or isinstance(value, str | int | float | bool)
    }
