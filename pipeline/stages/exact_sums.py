"""Sums and sums of squares of doubles without rounding, so that no order of adding matters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 15
"""Numbers that are added up in one go: as many as the caches hold with what is made of them."""

_LARGEST_WHOLE = 2.0**23
"""So many squares of smaller whole numbers as a block has are below ``2**62``."""

_REACH = 480
"""Of numbers from ``2**-480`` up to ``2**480`` neither a square nor its rounding error leaves the range of doubles."""

_SPLITTER = 2.0**27 + 1


def sum_exactly(numbers: npt.NDArray[np.float64]) -> tuple[Fraction, Fraction]:
    """Sum and sum of squares of finite ``numbers``, which may not be empty.

    A square is a double and the error of its rounding, another one (Dekker 1971, TwoProduct with Veltkamp's splitting).
    """
    total, squares = Fraction(0), Fraction(0)
    for start in range(0, len(numbers), _BLOCK):
        block = numbers[start : start + _BLOCK]
        if (whole := _take_whole(block)) is not None:
            total += int(whole.sum())
            squares += int(np.dot(whole, whole))
            continue
        for part, exponent in _scale_into_reach(block):
            shifted = part * _SPLITTER
            high = shifted - (shifted - part)
            low = part - high
            rounded = part * part
            error = ((high * high - rounded) + 2 * high * low) + low * low
            total += _add_up(part) * _scale(1, exponent)
            squares += (_add_up(rounded) + _add_up(error)) * _scale(1, 2 * exponent)
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


def _take_whole(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """A block of whole numbers as integers, whose squares add up in 64 bits; None if they are none, or too large."""
    if not float(numbers[0]).is_integer() or max(float(numbers.max()), -float(numbers.min())) >= _LARGEST_WHOLE:
        return None
    whole = numbers.astype(np.int64)
    return whole if np.array_equal(whole, numbers) else None


def _scale_into_reach(numbers: npt.NDArray[np.float64]) -> Iterator[tuple[npt.NDArray[np.float64], int]]:
    """All ``numbers`` as parts and exponents: each is an element of a part times two to the exponent, exactly."""
    sizes = np.abs(numbers)
    tiny, huge = (sizes < 2.0**-_REACH) & (sizes > 0), sizes >= 2.0**_REACH
    if not tiny.any() and not huge.any():
        yield numbers, 0
        return
    for chosen, exponent in ((tiny, -600), (huge, 600), (~tiny & ~huge, 0)):
        if chosen.any():
            yield np.ldexp(numbers[chosen], -exponent), exponent


def _add_up(numbers: npt.NDArray[np.float64]) -> Fraction:
    """The sum of ``numbers``, from the highest bits to the lowest (Rump, Ogita, Oishi 2008, ExtractVector).

    What adding ``sigma`` and taking it away leaves of a number are its bits from a certain one on.  So few of them that
    all numbers' add up without rounding, and what is left is exact, too.
    """
    total, rest = Fraction(0), numbers
    headroom = (len(numbers) + 1).bit_length()
    while largest := max(float(rest.max()), -float(rest.min())):
        sigma = math.ldexp(1.0, math.frexp(largest)[1] + headroom)
        high = (rest + sigma) - sigma
        total += Fraction(float(high.sum()))
        rest = rest - high
    return total


def _scale(whole: int, exponent: int) -> Fraction:
    return Fraction(whole << exponent) if exponent >= 0 else Fraction(whole, 1 << -exponent)
