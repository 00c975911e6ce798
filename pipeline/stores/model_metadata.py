"""What has to be known of a model to use it, and where its files are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from features.declarations import Kind
from pipeline.stores.golden_rows import GoldenRows
from pipeline.stores.ledger_events import Parameter


class ModelFeature(BaseModel):
    """A column that the model gets."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind


class ModelMetadata(BaseModel):
    """What has to be known of a model to use it.

    Attributes:
        library_versions: of Python and of every distribution whose modules the model's file names.
        code: digest by module, of the project's modules whose classes and functions the model's file names.
        golden: the rows that it must score as at its training; None for a model that was made before there were any.
        priors: what an entity is told that is not in the population, by segment; ``""`` is for all.
        prior_segment: the population's column whose values the segments are.
    """

    model_config = ConfigDict(frozen=True)

    task: Literal["binary", "regression"]
    feature_set_name: str
    feature_set_version: int
    feature_set_digest: str
    features: tuple[ModelFeature, ...]
    dataset_version: str
    parameters: dict[str, Parameter]
    library_versions: dict[str, str]
    code: dict[str, str] = Field(default_factory=dict)
    golden: GoldenRows | None = None
    priors: dict[str, float] = Field(default_factory=dict)
    prior_segment: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the estimator gets, in order."""
        return tuple(feature.name for feature in self.features)


class SavedModel(BaseModel):
    """Where a model's file is, and the digests of what was written."""

    model_config = ConfigDict(frozen=True)

    path: str
    digest: str
    metadata_digest: str
    metadata: ModelMetadata
