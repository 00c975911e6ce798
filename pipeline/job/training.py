"""How models are made: from which labels, on which partitions, and what a challenger has to show."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from pipeline.job.declaration import Declaration, Name

Parameter = str | int | float | bool | None

MOST_COMBINATIONS = 64


class Label(Declaration):
    """Where the outcome of an entity appears.

    Ids that come back on later days need ``closes_after=1``: with more, an outcome could be that of a later partition.

    The label of an entity in partition D is read from the deliveries D+1 to D+``closes_after`` of ``source``, matched
    by the population's key.  ``value`` is a column of the source or a function of the feature set.
    """

    source: Name
    value: str
    closes_after: int = Field(ge=1, description="days after the partition until its labels count as complete")


class Search(Declaration):
    """Other parameters of the estimator that a training tries before it fits.

    Every combination is fitted on the older partitions of the training window and measured on the next newer ones, fold
    after fold (time-series cross-validation); the one with the best primary metric is fitted on all of them.
    """

    space: dict[str, tuple[Parameter, ...]] = Field(
        min_length=1, description="values to try, by scikit-learn's name of the parameter, such as model__max_depth"
    )
    folds: int = Field(default=3, ge=1, description="times that all combinations are fitted and measured")
    fold_size: int = Field(default=7, ge=1, description="partitions that each fold is measured on")

    @model_validator(mode="after")
    def _check_size(self) -> Search:
        if not all(self.space.values()):
            raise ValueError("search.space gives a parameter no value")
        if self.combinations > MOST_COMBINATIONS:
            raise ValueError(
                f"search.space has {self.combinations} combinations; at most {MOST_COMBINATIONS} are tried"
            )
        return self

    @property
    def combinations(self) -> int:
        """How many there are to try."""
        return math.prod(len(values) for values in self.space.values())


class Calibration(Declaration):
    """Make probabilities of scores, on the newest partitions of the training window, which the model has not seen.

    They are kept from the model itself, so a model that is calibrated already is better off without.
    """

    method: Literal["isotonic", "sigmoid"] = Field(description="free but hungry for rows, or a logistic curve")
    partitions: int = Field(ge=1, description="newest partitions of the training window to fit it on")


class PromotionGate(Declaration):
    """What a challenger has to show, on rows that neither it nor the champion was trained on.

    Differences are in units of the primary metric: log loss, or RMSE for a regression; both are better if lower.
    """

    margin: float = Field(
        default=0.0,
        ge=0,
        description="how much worse the challenger may be, at the upper end of the interval of the difference",
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="of that interval, which has two sides")
    min_segment: int = Field(default=200, ge=1, description="rows below which a segment is not judged")
    max_calibration_error: float | None = Field(
        default=None, ge=0, description="largest expected calibration error, unless the champion's is no smaller"
    )
    max_feature_power: float = Field(
        default=0.95, gt=0, le=1, description="AUC (or R² for a regression) beyond which a single feature is a leak"
    )


class Approval(Declaration):
    """A person decides in the Airflow UI whether a challenger that the gate let pass is promoted."""

    answer_within: timedelta = Field(
        default=timedelta(days=3), gt=timedelta(), description="after it, the challenger is rejected"
    )
    approvers: tuple[str, ...] = Field(
        default=(), description="names of Airflow users who may approve; empty: all who may write"
    )


class Training(Declaration):
    """How a challenger is made and compared."""

    window: int = Field(ge=1, description="partitions that a model is trained on, at the most")
    minimum: int = Field(ge=1, description="partitions below which training is refused")
    holdout: int = Field(ge=1, description="newest closed partitions, kept from the challenger and used to compare")
    gap: int | None = Field(
        default=None,
        ge=0,
        description="partitions left out between the two, whose labels were not closed on the holdout's first night; "
        "default: label.closes_after",
    )
    max_rows: int | None = Field(
        default=None, ge=100, description="rows to train on at the most, chosen by a digest of their ids; None: all"
    )
    every: str = Field(default="0 6 * * 1", description="cron schedule of the retraining DAG, in UTC")
    cool_down: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(),
        description="after a training, no drift or drop in accuracy starts another",
    )
    seed: int = 0
    search: Search | None = Field(default=None, description="parameters to choose at each training; None: the model's")
    calibration: Calibration | None = Field(default=None, description="for probabilities, after the model")
    gate: PromotionGate = Field(default=PromotionGate(), description="what a challenger has to show")
    approval: Approval | None = Field(default=None, description="None: promote what the gate let pass")
    shadow_nights: int = Field(
        default=0,
        ge=0,
        description="nights that a challenger that passed scores along, unserved, before it is promoted",
    )
