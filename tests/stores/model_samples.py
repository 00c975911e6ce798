"""Registrations and small models that several tests of the model stores start from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from features.declarations import Feature, FeatureSet
from pipeline.stores.ledger_events import ModelVersion, Registration
from pipeline.stores.model_metadata import SavedModel
from pipeline.stores.models import Models

FEATURES = FeatureSet(name="parcels", version=3, features=(Feature("weight"), Feature("distance")))
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def tell_noon() -> datetime:
    """A clock that stands still."""
    return NOON


def make_registration(model_digest: str = "a" * 64, partition: str = "2024-05-05", **changes: object) -> Registration:
    """A registration of a model with that digest."""
    values = {
        "partition": partition,
        "model_digest": model_digest,
        "metadata_digest": "b" * 64,
        "artifact_path": f"jobs/parcels/artifacts/{model_digest}.joblib",
        "feature_set_name": FEATURES.name,
        "feature_set_version": FEATURES.version,
        "feature_set_digest": FEATURES.digest,
        "dataset_version": "d" * 64,
        "metrics": {"auc": 0.75, "log_loss": 0.5, "rows": 1000.0},
        "parameters": {"seed": 7, "C": 1.0, "warm_start": False, "class_weight": None},
        "code_version": "0.1.0",
        "library_versions": {"scikit-learn": "1.9.1"},
        **changes,
    }
    return Registration.model_validate(values)


def register_saved(saved: SavedModel) -> Registration:
    """The registration of a model that was really saved."""
    return make_registration(
        saved.digest,
        metadata_digest=saved.metadata_digest,
        artifact_path=saved.path,
        library_versions=saved.metadata.library_versions,
    )


def make_parcels(rows: int = 200) -> tuple[pd.DataFrame, pd.Series]:
    """Features and labels of parcels, of which the heavy ones come late more often."""
    random = np.random.default_rng(5)
    features = pd.DataFrame({"weight": random.normal(size=rows), "distance": random.normal(size=rows)})
    return features, (features["weight"] + random.normal(size=rows) > 0).astype("int64")


def fit_parcels(c: float = 1.0) -> LogisticRegression:
    """A small fitted model."""
    features, labels = make_parcels()
    return LogisticRegression(C=c).fit(features, labels)


def save_parcels(models: Models, estimator: Any = None, **changes: Any) -> SavedModel:
    """Save a model of parcels, the small one unless another is given; its golden rows are the first eight."""
    parts: dict[str, Any] = {
        "task": "binary",
        "feature_set": FEATURES,
        "dataset_version": "d" * 64,
        "parameters": {"seed": 7},
        "golden": make_parcels(8)[0],
        "decimals": 6,
    }
    return models.save(fit_parcels() if estimator is None else estimator, **parts | changes)


def version_of(saved: SavedModel) -> ModelVersion:
    """The model as the ledger has it, under the version 4."""
    return ModelVersion(version="4", registered_at="2024-05-06T12:00:00+00:00", registration=register_saved(saved))
