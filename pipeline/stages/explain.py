"""Explain: what each feature adds to a prediction or takes from it, in the prediction's own unit.

The contributions are Shapley values of the model's output, features that are "not known" being those of other rows
(interventional SHAP: Lundberg and Lee 2017, "A unified approach to interpreting model predictions").  They are sampled
by walks from one row to another, a feature at a time in a random order (Štrumbelj and Kononenko 2014, "Explaining
prediction models and individual predictions with feature contributions"), each order beside its reverse (antithetic
sampling).  A walk ends where it ends, so contributions add up exactly, whatever the estimator is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pipeline.digests import canonical_json
from pipeline.keyspace import MAX_REASONS_BYTES
from pipeline.predicting import round_scores

Predict = Callable[[pd.DataFrame], np.ndarray]
"""One number a row of the feature columns."""

TOP = 3
MOST_BACKGROUND = 100
MOST_PREDICTIONS = 200_000
"""Rows that the model may be asked for to explain a night: what bounds its cost for any number of features."""
_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Effort:
    """How many rows are explained, and against how many others each."""

    rows: int
    background: int


@dataclass(frozen=True)
class Explanation:
    """Contributions to some predictions.

    Attributes:
        base: mean prediction of the background: what is predicted before anything is known of a row.
        contributions: by row and column; ``base`` and those of a row add up to its prediction.
    """

    base: float
    contributions: np.ndarray


def plan_effort(wanted: int, available: int, columns: int) -> Effort:
    """As many rows as are wanted and affordable, against as much of the background as is affordable.

    Args:
        wanted: rows to explain.
        available: rows of the background.
        columns: features.
    """
    steps = columns + 1
    rows = min(wanted, max(1, MOST_PREDICTIONS // steps))
    background = MOST_PREDICTIONS // (rows * steps) if rows else 0
    return Effort(rows, min(available, MOST_BACKGROUND, max(1, background)))


def thin_out(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many of the rows, from all over them."""
    return rows.iloc[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)].reset_index(drop=True)


def explain_rows(predict: Predict, rows: pd.DataFrame, background: pd.DataFrame, seed: int) -> Explanation:
    """Why the predictions of some rows are not the mean of the background.

    Args:
        rows: feature columns, one row a prediction.
        background: the same columns of rows to compare with.
        seed: of the orders in which features are changed.
    """
    start = background.iloc[np.tile(np.arange(len(background)), len(rows))]
    end = rows.iloc[np.repeat(np.arange(len(rows)), len(background))]
    changes = attribute_changes(predict, start, end, seed)
    contributions = changes.reshape(len(rows), len(background), -1).mean(axis=1)
    with threadpool_limits(limits=1):
        return Explanation(float(predict(background).mean()), contributions)


def explain_shift(
    predict: Predict, before: pd.DataFrame, after: pd.DataFrame, seed: int
) -> tuple[float, float, np.ndarray]:
    """Why the mean prediction of some rows is another than that of others.

    Each row of ``after`` is paired with one of ``before`` by chance.

    Args:
        before, after: feature columns; as many rows of each.

    Returns:
        Mean prediction before and after, and the contributions by column, which add up to their difference.
    """
    paired = before.iloc[np.random.default_rng(seed).permutation(len(before))]
    contributions = attribute_changes(predict, paired, after, seed).mean(axis=0)
    with threadpool_limits(limits=1):
        return float(predict(before).mean()), float(predict(after).mean()), contributions


def attribute_changes(predict: Predict, start: pd.DataFrame, end: pd.DataFrame, seed: int) -> np.ndarray:
    """What each feature has to do with the difference between the predictions of two rows, pair by pair.

    The model is asked for every pair once more than there are features; on one thread, since sums over several differ
    in their last digits.

    Args:
        start, end: feature columns; the rows at one position are a pair.
        seed: of the orders in which features are changed.

    Returns:
        float64 by pair and column; those of a pair add up to its prediction at the end less that at the start.
    """
    pairs, width = end.shape
    both = pd.concat([start, end], ignore_index=True)
    orders = _draw_orders(pairs, width, seed)
    turns = np.argsort(orders, axis=1)
    numbers = np.arange(pairs)[:, np.newaxis]
    predictions = np.empty((width + 1, pairs))
    at_once = max(1, _ROWS_AT_ONCE // pairs)
    with threadpool_limits(limits=1):
        for first in range(0, width + 1, at_once):
            changed = np.arange(first, min(first + at_once, width + 1))
            taken = numbers + pairs * (turns < changed[:, np.newaxis, np.newaxis])
            predictions[changed] = predict(_mix(both, taken.reshape(-1, width))).reshape(-1, pairs)
    changes = np.empty((pairs, width))
    changes[numbers, orders] = np.diff(predictions, axis=0).T
    return changes


def name_largest(contributions: np.ndarray, columns: Sequence[str], most: int | None = None) -> list[tuple[str, float]]:
    """Columns and their contributions, the largest first, whatever their sign."""
    order = np.argsort(-np.abs(contributions), kind="stable")[:most]
    return [(columns[number], float(contributions[number])) for number in order]


def write_reasons(contributions: np.ndarray, columns: Sequence[str], decimals: int) -> str:
    """The three largest contributions to a prediction, as readers get them: a JSON array of features and contributions.

    They are rounded as predictions are; a feature that then contributes nothing is left out, and so is what would make
    the text longer than 512 bytes.
    """
    largest = name_largest(round_scores(contributions, decimals), columns, TOP)
    pairs = [[column, contribution] for column, contribution in largest if contribution]
    while len(text := canonical_json(pairs).encode()) > MAX_REASONS_BYTES:
        pairs.pop()
    return text.decode()


def _draw_orders(pairs: int, width: int, seed: int) -> np.ndarray:
    """For every pair an order of its columns; each second one is the reverse of the one before."""
    drawn = np.tile(np.arange(width), (-(-pairs // 2), 1))
    forward = np.random.default_rng(seed).permuted(drawn, axis=1)
    return np.stack([forward, forward[:, ::-1]], axis=1).reshape(-1, width)[:pairs]


def _mix(rows: pd.DataFrame, taken: np.ndarray) -> pd.DataFrame:
    """Rows whose every cell is taken from one of ``rows``: by position, for each new row and column."""
    return pd.DataFrame({name: rows[name].array.take(taken[:, at]) for at, name in enumerate(rows.columns)})
