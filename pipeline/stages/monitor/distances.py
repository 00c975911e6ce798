"""Distances between two distributions over the same bins, and what of them is chance.

* Population stability index, the symmetric Kullback-Leibler divergence (Jeffreys 1946) of the two distributions: for
  shares p and q of every bin, the sum of (p - q) ln(p / q), in nats.  Yurdakul (2018), *Statistical Properties of
  Population Stability Index*: of two samples of n and m rows of one distribution over B bins, n m / (n + m) PSI is
  about chi-square with B - 1 degrees of freedom.  So chance alone gives (B - 1) (1/n + 1/m), with a standard deviation
  of sqrt(2 (B - 1)) (1/n + 1/m).
* Jensen-Shannon distance (Lin 1991; Endres, Schindelin 2003): the square root of the divergence, base 2.
* Homogeneity: Pearson's chi-square of the two samples as a table of two rows, with the bins in which fewer than 5 rows
  are expected taken together, and with the next smallest where that is less than 1 row still (Cochran 1954).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

_SMOOTHING = 0.5
"""Rows added to each bin of either sample (Jeffreys' prior), so that an empty one has no infinite distance."""

_FEWEST_EXPECTED = 5.0
_FEWEST_TOGETHER = 1.0

Counts = Sequence[int] | np.ndarray


def measure_psi(found: Counts, expected: Counts) -> float:
    """Population stability index: 0 for equal distributions, above otherwise.  0 where either sample is empty.

    Half a row is added to every bin that is not empty in both, in proportion to the samples' size, so that equal shares
    have a distance of 0 whatever the sizes.
    """
    counts, reference = _take_used(found, expected)
    if not counts.sum() or not reference.sum():
        return 0.0
    p, q = _smooth(counts, reference)
    return max(0.0, float(np.sum((p - q) * np.log(p / q))))


def expect_psi(found: Counts, expected: Counts) -> tuple[float, float]:
    """Mean and standard deviation of the index of two such samples of one distribution."""
    counts, reference = _take_used(found, expected)
    if not counts.sum() or not reference.sum():
        return 0.0, 0.0
    free, size = max(0, len(counts) - 1), 1 / counts.sum() + 1 / reference.sum()
    return float(free * size), float(math.sqrt(2 * free) * size)


def measure_jensen_shannon(found: Counts, expected: Counts) -> float:
    """Jensen-Shannon distance, base 2: 0 for equal, 1 for disjoint distributions.  0 where either sample is empty."""
    counts, reference = _take_used(found, expected)
    if not counts.sum() or not reference.sum():
        return 0.0
    p, q = counts / counts.sum(), reference / reference.sum()
    middle = (p + q) / 2
    return float(np.sqrt(min(1.0, max(0.0, (_diverge(p, middle) + _diverge(q, middle)) / 2))))


def measure_p_value(found: Counts, expected: Counts) -> float:
    """The p-value of both samples being of one distribution; 1 where there are too few rows to tell."""
    from scipy.special import chdtrc  # noqa: PLC0415 - a rollback imports this room and does not wait for scipy

    counts, reference = _take_used(found, expected)
    table = np.stack([counts, reference])
    if not table.sum(axis=1).all():
        return 1.0
    table = _pool_rare(table)
    if table.shape[1] < 2:
        return 1.0
    wanted = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(chdtrc(table.shape[1] - 1, ((table - wanted) ** 2 / wanted).sum()))


def choose_significant(p_values: Mapping[str, float], rate: float) -> set[str]:
    """Names whose p-values are below ``rate`` corrected for all of them (Holm 1979).

    None of them is chosen by chance, with a probability of 1 - ``rate`` at the least.
    """
    chosen: set[str] = set()
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        if p_values[name] > rate / (len(p_values) - rank):
            break
        chosen.add(name)
    return chosen


def _take_used(found: Counts, expected: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Both samples over the bins that are not empty in both."""
    counts, reference = np.asarray(found, dtype="float64"), np.asarray(expected, dtype="float64")
    is_used = counts + reference > 0
    return counts[is_used], reference[is_used]


def _pool_rare(table: np.ndarray) -> np.ndarray:
    """The table with its bins of too few rows in one, so that none of next to no rows hides what differs in others."""
    expected = table.sum(axis=1).min() / table.sum() * table.sum(axis=0)
    rising = np.argsort(expected, kind="stable")
    rare = np.count_nonzero(expected < _FEWEST_EXPECTED)
    if not rare:
        return table
    if expected[rising[:rare]].sum() < _FEWEST_TOGETHER:
        rare += 1
    return np.column_stack([table[:, rising[rare:]], table[:, rising[:rare]].sum(axis=1)])


def _smooth(counts: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares with half a row more in every bin, spread as both samples together are."""
    pooled = (counts + reference) / (counts.sum() + reference.sum())
    added = _SMOOTHING * len(counts)
    return (
        (counts + added * pooled) / (counts.sum() + added),
        (reference + added * pooled) / (reference.sum() + added),
    )


def _diverge(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback-Leibler divergence, base 2."""
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))
