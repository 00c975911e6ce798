"""What a night's decisions cost, counted in wrong warnings.

Travellers who are warned of a delay leave later or take another flight.  A warning without a delay costs them a
nuisance; a delay without a warning costs three times as much.  Warning is the cheaper of the two from a probability of
a quarter on, which is where applications act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

WRONG_WARNING = 1.0
MISSED_DELAY = 3.0
DECISION_THRESHOLD = WRONG_WARNING / (WRONG_WARNING + MISSED_DELAY)
"""Probability of a delay at which warning and keeping silent cost the same: ``p * missed = (1 - p) * wrong``."""


def cost_of_warnings(labels: pd.Series, scores: pd.Series) -> pd.Series:
    """Cost of each flight, in wrong warnings: 1 for one, 3 for a missed delay, else 0.

    Args:
        labels: 1 if the flight was late, else 0.
        scores: probability of it, of the same flights in the same order.
    """
    warned = (scores >= DECISION_THRESHOLD).astype("float64")
    return WRONG_WARNING * warned * (1 - labels) + MISSED_DELAY * (1 - warned) * labels
