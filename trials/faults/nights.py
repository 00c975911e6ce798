"""Which nights the scorecard is made of, written down before any threshold was.

Everything that detection is calibrated on, and every choice that was made while it was built, comes from the first half
of 2013.  What is counted comes from the second half, all of it: no night is left out for what happened on it.
"""

from __future__ import annotations

from datetime import date, timedelta


def every(days: int, first: date, last: date) -> tuple[date, ...]:
    """The days from ``first`` to ``last``, both included, in steps of ``days``."""
    return tuple(first + timedelta(days=number) for number in range(0, (last - first).days + 1, days))


CALIBRATION = every(1, date(2013, 1, 1), date(2013, 6, 30))
"""Clean nights that thresholds may be chosen on, the storms of February and March among them."""

CLEAN = every(1, date(2013, 7, 1), date(2013, 12, 30))
"""183 clean nights on which false alarms are counted."""

DEVELOPMENT = every(12, date(2013, 3, 15), date(2013, 6, 28))
"""Nights that faults are put into while detection is built."""

FAULTY = every(8, date(2013, 7, 4), date(2013, 12, 28))
"""23 nights that faults are put into to be counted.  Steps of eight days visit every day of the week; the labels of the
last one have closed before the data ends."""
