from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.errors import DeclarationError, NotReadyError
from pipeline.job import Job, Search
from pipeline.stages import search
from pipeline.stages.search import Candidate, build_with, search_parameters
from tests.stages.parcel_job import PARCELS, make_parcels

PARAMETER = "logisticregression__C"
SPACE = Search(space={PARAMETER: (1e-6, 1.0)}, folds=2, fold_size=3)


def build_model(seed: int) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(random_state=seed))


def searching(search: Search | None) -> Job:
    return PARCELS.model_copy(update={"training": PARCELS.training.model_copy(update={"search": search})})


def sample(days: int = 10) -> tuple[pd.DataFrame, np.ndarray, pd.Series]:
    features, labels = make_parcels(500)
    partitions = pd.Series([f"2024-05-{1 + row * days // 500:02}" for row in range(500)])
    return features.drop(columns="parcel"), labels.to_numpy(), partitions


def test_nothing_is_tried_without_a_search() -> None:
    assert search_parameters(build_model, *sample(), searching(None)) == []


def test_the_better_parameter_comes_first() -> None:
    tried = search_parameters(build_model, *sample(), searching(SPACE))
    assert [candidate.parameters for candidate in tried] == [{PARAMETER: 1.0}, {PARAMETER: 1e-6}]
    assert tried[0].metric < tried[1].metric


def test_a_combination_without_a_metric_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = iter([float("nan"), 0.7, 0.6])
    monkeypatch.setattr(search, "_try", lambda *arguments: Candidate(arguments[1], next(metrics)))
    space = Search(space={PARAMETER: (0.1, 1.0, 10.0)}, folds=1, fold_size=2)
    tried = search_parameters(build_model, *sample(), searching(space))
    assert [candidate.parameters[PARAMETER] for candidate in tried] == [10.0, 1.0, 0.1]


def test_every_combination_is_tried() -> None:
    space = Search(space={PARAMETER: (0.1, 1.0, 10.0), "logisticregression__tol": (1e-3, 1e-4)}, folds=1, fold_size=2)
    assert space.combinations == 6
    assert len(search_parameters(build_model, *sample(), searching(space))) == 6


class Watched(LogisticRegression):  # type: ignore[misc]
    """Notes the rows that it was fitted to."""

    fitted_to: list[pd.Index] = []  # noqa: RUF012 - shared on purpose

    def fit(self, features: pd.DataFrame, target: np.ndarray) -> Watched:
        """Fit, and note."""
        self.fitted_to.append(features.index)
        super().fit(features, target)
        return self


def test_a_fold_is_fitted_to_days_before_those_that_it_is_measured_on() -> None:
    Watched.fitted_to.clear()
    matrix, target, partitions = sample()
    shuffled = np.random.default_rng(0).permutation(len(matrix))
    search_parameters(
        lambda seed: Watched(random_state=seed),
        matrix.iloc[shuffled].reset_index(drop=True),
        target[shuffled],
        partitions.iloc[shuffled].reset_index(drop=True),
        searching(Search(space={"C": (1.0,)}, folds=2, fold_size=3)),
    )
    days = [sorted(set(partitions.iloc[shuffled].reset_index(drop=True)[rows])) for rows in Watched.fitted_to]
    assert [(seen[0], seen[-1]) for seen in days] == [("2024-05-01", "2024-05-04"), ("2024-05-01", "2024-05-07")]


def test_too_few_days_for_the_folds_are_an_error() -> None:
    with pytest.raises(NotReadyError, match="too few partitions") as refused:
        search_parameters(build_model, *sample(days=6), searching(SPACE))
    assert refused.value.found == "6 partitions"


def test_a_parameter_that_the_model_does_not_have_is_an_error() -> None:
    with pytest.raises(DeclarationError, match="no such parameter"):
        build_with(build_model, {"trees": 3}, PARCELS)


def test_a_space_that_is_too_large_or_empty_is_refused_when_it_is_declared() -> None:
    with pytest.raises(ValidationError, match="at most 64"):
        Search(space={"C": tuple(range(65))})
    with pytest.raises(ValidationError, match="no value"):
        Search(space={"C": ()})
