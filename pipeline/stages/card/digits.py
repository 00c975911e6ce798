"""How exact the numbers of a card are."""

from __future__ import annotations

import math

DIGITS = 4
"""Enough for a plot, and too few to tell a row's value by its digits."""


def shorten(number: float) -> float:
    """``number`` to four significant digits."""
    value = float(number)
    if value == 0 or not math.isfinite(value):
        return value
    return float(f"{value:.{DIGITS}g}")
