"""Priors: what an entity is told that is not in the population."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import BadInputError, DeclarationError
from pipeline.job import Job
from pipeline.keyspace import check_entity_id
from pipeline.predicting import round_scores

GLOBAL = ""
"""The segment of entities whose segment is not known."""

GLOBAL_WEIGHT = 50
"""As many rows the mean of all counts for in the mean of a segment."""

MAX_SEGMENTS = 1000


def compute_priors(labels: pd.Series, segments: pd.Series | None, job: Job) -> dict[str, float]:
    """The mean outcome of each segment, drawn towards that of all rows, and under ``""`` that of all rows.

    A segment of ``n`` rows with the mean ``y`` has ``(n y + w m) / (n + w)``, where ``m`` is the mean of all and ``w``
    is :data:`GLOBAL_WEIGHT`: the m-estimate of Cestnik (1990), "Estimating probabilities: a crucial task in machine
    learning", and for numbers that of Micci-Barreca (2001), "A preprocessing scheme for high-cardinality categorical
    attributes".  Outcomes are calibrated by themselves; the mean of scores would carry the model's errors.

    Args:
        labels: outcomes of the training rows: 0 or 1, or a number; none missing.
        segments: of the same rows; text, integers or booleans, missing ones in no segment.  None for one prior alone.

    Returns:
        Predictions by segment as text, rounded as predictions are.  A segment that could not be asked for, such as an
        empty text or one of more than 64 bytes, is left out: its entities get the prior of all.

    Raises:
        BadInputError: a mean lies outside the job's range of scores.
        DeclarationError: there are too many segments to be segments.
    """
    outcomes = labels.to_numpy(dtype="float64")
    everything = math.fsum(outcomes) / len(outcomes)
    priors = {GLOBAL: everything}
    if segments is not None:
        by_segment = _collect(outcomes, segments)
        _check_count(len(by_segment), job)
        priors |= {
            name: (math.fsum(values) + GLOBAL_WEIGHT * everything) / (len(values) + GLOBAL_WEIGHT)
            for name, values in by_segment.items()
            if _can_be_asked_for(name)
        }
    rounded = dict(zip(priors, round_scores(np.array(list(priors.values())), job.decimals).tolist(), strict=True))
    _check_range(rounded.values(), job)
    return rounded


def _collect(outcomes: np.ndarray, segments: pd.Series) -> dict[str, np.ndarray]:
    """Outcomes by segment, in the order of the segments' names."""
    names = pa.array(segments).cast(pa.string()).to_pandas().reset_index(drop=True)
    groups = pd.Series(outcomes).groupby(names, sort=True)
    return {str(name): values.to_numpy() for name, values in groups}


def _can_be_asked_for(segment: str) -> bool:
    try:
        check_entity_id(segment)
    except BadInputError:
        return False
    return True


def _check_count(segments: int, job: Job) -> None:
    if segments > MAX_SEGMENTS:
        raise DeclarationError(
            "the column of the priors has too many values to be one of segments",
            job=job.name,
            expected=f"{MAX_SEGMENTS} or fewer",
            found=f"{segments} in the training rows",
            next_step="name a coarser column in priors.segment, or none",
        )


def _check_range(priors: Iterable[float], job: Job) -> None:
    low, high = job.score_range
    outside = sum(not low <= prior <= high for prior in priors)
    if outside:
        raise BadInputError(
            "the mean outcome of a segment may not be published",
            job=job.name,
            expected=f"from {low} to {high}, as scores are",
            found=f"{outside} outside the range",
            next_step="look at the label's source; correct score_range if such outcomes are right",
        )
