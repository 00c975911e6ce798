"""Search: choose the parameters of an estimator by time-series cross-validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import DeclarationError, NotReadyError
from pipeline.job import Job, Parameter, Search
from pipeline.predicting import predict_outcomes
from pipeline.stages.evaluate import PRIMARY_METRIC, compute_row_losses
from pipeline.stages.evaluate.metrics import to_metric

Parameters = dict[str, Parameter]


@dataclass(frozen=True)
class Candidate:
    """One combination that was tried, and its primary metric over the rows of all folds together."""

    parameters: Parameters
    metric: float


def search_parameters(
    build_model: Callable[[int], Any], matrix: pd.DataFrame, target: np.ndarray, partitions: pd.Series, job: Job
) -> list[Candidate]:
    """Every declared combination, the best first; of equal ones the first declared; those without a metric last.

    A fold is fitted on all partitions before the ones that it is measured on, so that nothing is told from its future.

    Args:
        build_model: the job's model.
        matrix: columns that it gets.
        target: labels of the same rows.
        partitions: of the same rows, as text.

    Raises:
        DeclarationError: the estimator has no such parameter.
        NotReadyError: there are too few partitions for the folds.
    """
    search = job.training.search
    if search is None:
        return []
    folds = list(_make_folds(partitions, search, job))
    names = list(search.space)
    combinations = [dict(zip(names, values, strict=True)) for values in product(*search.space.values())]
    tried = [_try(build_model, parameters, matrix, target, folds, job) for parameters in combinations]
    return sorted(tried, key=lambda candidate: (math.isnan(candidate.metric), candidate.metric))


def build_with(build_model: Callable[[int], Any], parameters: Parameters, job: Job) -> Any:
    """An unfitted estimator with these parameters.

    Raises:
        DeclarationError: it has no such parameter.
    """
    estimator = build_model(job.training.seed)
    try:
        return estimator.set_params(**parameters)
    except ValueError as error:
        raise DeclarationError(
            "the job's model has no such parameter",
            job=job.name,
            expected="scikit-learn's names, as estimator.get_params() lists them",
            found=", ".join(parameters),
            next_step="correct training.search.space in the job's declaration",
        ) from error


def _try(
    build_model: Callable[[int], Any],
    parameters: Parameters,
    matrix: pd.DataFrame,
    target: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    job: Job,
) -> Candidate:
    losses = []
    for earlier, later in folds:
        estimator = build_with(build_model, parameters, job).fit(matrix.iloc[earlier], target[earlier])
        predicted = predict_outcomes(estimator, matrix.iloc[later], job.task)
        losses.append(compute_row_losses(job.task, pd.Series(target[later]), pd.Series(predicted)))
    return Candidate(parameters, float(to_metric(job.task, np.concatenate(losses).mean())))


def _make_folds(partitions: pd.Series, search: Search, job: Job) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions to fit on and to measure on, the oldest fold first."""
    days = sorted(set(partitions))
    first = len(days) - search.folds * search.fold_size
    if first < 1:
        raise NotReadyError(
            "there are too few partitions to search parameters on",
            job=job.name,
            expected=f"more than {search.folds} folds of {search.fold_size} partitions",
            found=f"{len(days)} partitions",
            next_step="lower search.folds or search.fold_size, or train on more history",
        )
    for start in range(first, len(days), search.fold_size):
        measured = set(days[start : start + search.fold_size])
        earlier, later = (partitions < days[start]).to_numpy(), partitions.isin(measured).to_numpy()
        yield np.flatnonzero(earlier), np.flatnonzero(later)


def describe_search(tried: Sequence[Candidate], job: Job) -> list[dict[str, Any]]:
    """As JSON objects, the best first."""
    metric = PRIMARY_METRIC[job.task]
    return [{"parameters": candidate.parameters, metric: round(candidate.metric, 6)} for candidate in tried]
