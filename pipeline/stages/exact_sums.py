"""Sums and sums of squares of doubles without rounding, so that no order of adding matters."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 14
"""Numbers that are added up in one go: as many as the caches hold with their slices."""

_BITS = 20
"""Bits of a slice.  It is at most ``2**19``, so a block's sum of products of two slices is at most ``2**52``."""

_MOST_SLICES = 2 + 1074 // _BITS
"""As many as reach from a slice of whole numbers down to ``2**-1074``, the smallest double."""


def sum_exactly(numbers: npt.NDArray[np.float64]) -> tuple[Fraction, Fraction]:
    """Sum and sum of squares of finite ``numbers``, which may not be empty."""
    try:
        return _sum_slices(numbers)
    except FloatingPointError:  # apart, neither those below 1 nor the others are rounded
        large = np.abs(numbers) >= 1
        (total, squares), (rest, rest_squares) = _sum_slices(numbers[large]), _sum_slices(numbers[~large])
        return total + rest, squares + rest_squares


def to_float(value: Fraction) -> float:
    """The nearest double; infinity beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def square_root(value: Fraction) -> float:
    """The square root of ``value`` as a double, also where ``value`` itself is too large or too small for one."""
    if value == 0:
        return 0.0
    half = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(value / Fraction(4) ** half), half)


def fraction_to_json(value: Fraction) -> list[Any]:
    """``[hexadecimal, exponent]``: the whole number times that power of two.  Only for such fractions."""
    return [f"{value.numerator:x}", 1 - value.denominator.bit_length()]


def fraction_from_json(value: list[Any]) -> Fraction:
    """The fraction that ``value`` was made from."""
    return _scale(int(value[0], 16), value[1])


def _sum_slices(numbers: npt.NDArray[np.float64]) -> tuple[Fraction, Fraction]:
    """The sums by one matrix product a block (Ozaki, Ogita, Oishi, Rump 2012).

    A number is cut into slices, whole numbers of a few bits each, so small that all products of two slices add up
    without rounding, in whatever order.  A row of ones beside the slices gives the sums of themselves.

    Raises:
        FloatingPointError: a number is so much smaller than the largest that scaling has rounded it.
    """
    largest = max(float(numbers.max()), -float(numbers.min()))
    unit = max(math.frexp(largest)[1] + 1 - _BITS, -1000)  # of the first slice; two to the 1000 still is a double
    slices = np.empty((1 + _MOST_SLICES, min(len(numbers), _BLOCK)))
    slices[0] = 1
    sums = np.zeros((1 + _MOST_SLICES, _MOST_SLICES), dtype=object)
    count = 1
    with np.errstate(under="raise"):
        for start in range(0, len(numbers), _BLOCK):
            rest = numbers[start : start + _BLOCK] * 2.0**-unit
            cut = 0
            while cut < count or rest.any():
                cut += 1
                whole = np.rint(rest, out=slices[cut, : len(rest)])
                rest -= whole
                rest *= 2.0**_BITS
            count = cut
            rows = slices[: 1 + count, : len(rest)]
            sums[: 1 + count, :count] += (rows @ rows[1:].T).astype(np.int64)
    weights = np.array([1 << _BITS * place for place in reversed(range(count))], dtype=object)
    total, *products = sums[: 1 + count, :count] @ weights
    last = unit - _BITS * (count - 1)
    return _scale(total, last), _scale(np.dot(weights, products), 2 * last)


def _scale(whole: int, exponent: int) -> Fraction:
    return Fraction(whole << exponent) if exponent >= 0 else Fraction(whole, 1 << -exponent)
