"""Limits: what is usual, learnt from the job's own nights for a stated rate of false alarms.

Split conformal prediction (Vovk, Gammerman, Shafer 2005; Lei et al. 2018): of n + 1 nights that could have come in any
order, tonight is beyond the ``ceil((n + 1) (1 - a))``-th smallest of the n others with a probability of ``a`` at the
most.  Nothing is assumed about the shape of what is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NORMAL_MAD = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""

_NORMAL_Q95 = 1.6449
"""Standard deviations between the median and the 95th percentile of a normal distribution."""


@dataclass(frozen=True)
class Band:
    """Where a value is usual: from ``lower`` to ``upper``, both included."""

    lower: float
    upper: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` is within."""
        return self.lower <= value <= self.upper


def fewest_nights(false_alarms: float) -> int:
    """Nights below which no limit has so low a rate of false alarms."""
    return math.ceil(1 / false_alarms) - 1


def learn_upper(values: Sequence[float], false_alarms: float) -> float | None:
    """The smallest of ``values`` that the next one exceeds with a probability of ``false_alarms`` at the most.

    None if there are too few.
    """
    rank = math.ceil((len(values) + 1) * (1 - false_alarms))
    return float(np.sort(values)[rank - 1]) if rank <= len(values) else None


def learn_band(values: Sequence[float], false_alarms: float) -> Band | None:
    """A band around the median that the next value leaves with a probability of ``false_alarms`` at the most.

    Each side is as wide as the values on it are spread, so a quantity that only ever jumps up has a long upper arm.
    None if there are too few values.
    """
    if len(values) < fewest_nights(false_alarms):
        return None
    array = np.asarray(values, dtype="float64")
    centre = float(np.median(array))
    below, above = measure_spread(centre - array), measure_spread(array - centre)
    away = array - centre
    scores = np.where(away < 0, _divide(-away, below), _divide(away, above))
    limit = learn_upper(scores.tolist(), false_alarms)
    if limit is None:
        return None
    if math.isinf(limit):  # most values are alike, and some are not: any of those seen is usual
        return Band(float(array.min()), float(array.max()))
    return Band(centre - limit * below, centre + limit * above)


def measure_spread(values: Sequence[float] | np.ndarray) -> float:
    """How far above their median values usually are, in standard deviations of a normal distribution.

    The larger of the median absolute deviation and the way to the 95th percentile: what is spread on a few nights of a
    week only, as weekends are, has a median absolute deviation of next to nothing.
    """
    array = np.asarray(values, dtype="float64")
    centre = np.median(array)
    deviation = _NORMAL_MAD * np.median(np.abs(array - centre))
    return float(max(deviation, (np.quantile(array, 0.95) - centre) / _NORMAL_Q95))


def _divide(values: np.ndarray, unit: float) -> np.ndarray:
    """``values / unit``; where the unit is 0, infinity for anything but 0."""
    if unit > 0:
        return values / unit
    return np.where(values > 0, math.inf, 0.0)
