"""Sums without rounding, whatever the numbers: held against Python's fractions, number by number."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.stages.exact_sums import fraction_from_json, fraction_to_json, sum_exactly

FINITE = st.floats(allow_nan=False, allow_infinity=False)
SMALLEST, LARGEST = 5e-324, 1.7976931348623157e308


def add_one_by_one(numbers: np.ndarray) -> tuple[Fraction, Fraction]:
    fractions = [Fraction(number) for number in numbers.tolist()]
    return sum(fractions, Fraction(0)), sum((number * number for number in fractions), Fraction(0))


@given(arrays(np.float64, st.integers(1, 40), elements=FINITE))
def test_any_finite_numbers_add_up_exactly(numbers: np.ndarray) -> None:
    assert sum_exactly(numbers) == add_one_by_one(numbers)


@pytest.mark.parametrize(
    "numbers",
    [
        [0.0],
        [-0.0, 0.0],
        [SMALLEST] * 3,
        [LARGEST] * 3,
        [LARGEST, SMALLEST, -LARGEST],
        [LARGEST, 1.0, np.nextafter(1.0, 0), SMALLEST],
        [2.0**18, SMALLEST],
        [2.0**19, SMALLEST],
        [2.0**1000, np.nextafter(2.0**-54, 0), -(2.0**-1022)],
        [2.0**-1000, np.nextafter(-(2.0**-1000), 0), SMALLEST],
        [np.nextafter(2.0**-981, 0), 2.0**-1022],
        [1.0, 2.0**-52, 2.0**-104, -(2.0**-1074)],
        [0.1] * 10,
        [1.0, 0.5],
        [2.0**19 - 1] * 40_000,
        [1 - 2.0**19] * 40_000,
        [2.0**19 - 0.5] * 40_000,
    ],
)
def test_the_ends_of_the_range(numbers: list[float]) -> None:
    assert sum_exactly(np.array(numbers)) == add_one_by_one(np.array(numbers))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_more_numbers_than_one_block_of_every_size(seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = np.ldexp(random.uniform(-1, 1, 70_000), random.integers(-1070, 1020, 70_000))
    assert sum_exactly(numbers) == add_one_by_one(numbers)


def test_blocks_of_the_largest_slices() -> None:
    numbers = np.random.default_rng(5).uniform(1 - 2.0**-10, 1, 200_000)
    assert sum_exactly(numbers) == add_one_by_one(numbers)


def test_the_order_of_numbers_makes_no_difference() -> None:
    numbers = np.random.default_rng(7).lognormal(3, 5, 100_000)
    assert sum_exactly(numbers) == sum_exactly(np.sort(numbers)) == sum_exactly(numbers[::-1])


@given(st.lists(FINITE, min_size=1, max_size=5))
def test_a_sum_comes_back_from_json(numbers: list[float]) -> None:
    total, squares = sum_exactly(np.array(numbers))
    assert fraction_from_json(fraction_to_json(total)) == total
    assert fraction_from_json(fraction_to_json(squares)) == squares
