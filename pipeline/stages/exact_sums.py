"""Sums and sums of squares of doubles without rounding, so that no order of adding matters."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_LIMB = 27
_EXACT_ROWS = 1 << 24
"""Numbers whose limbs of 27 bits add up exactly in doubles, as ``numpy.bincount`` adds."""


def sum_exactly(numbers: npt.NDArray[np.float64]) -> tuple[Fraction, Fraction]:
    """Sum and sum of squares of finite ``numbers``, which may not be empty.

    A double is ``mantissa * 2**exponent``; mantissas are cut into limbs of 27 bits, whose sums and products of an
    exponent are whole numbers that fit a double.
    """
    total, squares = Fraction(0), Fraction(0)
    for start in range(0, len(numbers), _EXACT_ROWS):
        fractions, exponents = np.frexp(numbers[start : start + _EXACT_ROWS])
        mantissas = np.ldexp(fractions, 53).astype(np.int64)
        high, low = mantissas >> _LIMB, mantissas & ((1 << _LIMB) - 1)
        lowest = int(exponents.min())
        groups = exponents - lowest
        for group, whole in enumerate(_sum_limbs(groups, {_LIMB: high, 0: low})):
            total += _scale(whole, lowest - 53 + group)
        for group, whole in enumerate(_sum_squares(groups, high, low)):
            squares += _scale(whole, 2 * (lowest - 53 + group))
    return total, squares


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


def _sum_limbs(groups: npt.NDArray[Any], limbs: dict[int, npt.NDArray[np.int64]]) -> list[int]:
    """Per group, the sum of ``limb * 2**shift``; limbs are below ``2**28`` in magnitude."""
    sums: list[int] = []
    for shift, limb in limbs.items():
        counted = np.bincount(groups, weights=limb).tolist()
        sums = sums or [0] * len(counted)
        sums = [before + (int(part) << shift) for before, part in zip(sums, counted, strict=True)]
    return sums


def _sum_squares(groups: npt.NDArray[Any], high: npt.NDArray[np.int64], low: npt.NDArray[np.int64]) -> list[int]:
    """Per group, the sum of ``(high * 2**27 + low)**2``, products cut into limbs again."""
    mask = (1 << _LIMB) - 1
    parts = []
    for shift, product in ((2 * _LIMB, high * high), (_LIMB + 1, high * low), (0, low * low)):
        parts.append(_sum_limbs(groups, {shift + _LIMB: product >> _LIMB, shift: product & mask}))
    return [sum(of_group) for of_group in zip(*parts, strict=True)]


def _scale(whole: int, exponent: int) -> Fraction:
    return Fraction(whole << exponent) if exponent >= 0 else Fraction(whole, 1 << -exponent)
