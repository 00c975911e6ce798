"""Distances are what their formulas say, and what of them is chance is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pipeline.stages.monitor.distances import (
    Counts,
    choose_significant,
    expect_psi,
    measure_jensen_shannon,
    measure_p_value,
    measure_psi,
)

Measure = Callable[[Counts, Counts], float]
Pairs = list[tuple[int, int]]

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=30)
DISTANCES = [measure_psi, measure_jensen_shannon]


def split(pairs: Pairs) -> tuple[list[int], list[int]]:
    return [one for one, _ in pairs], [other for _, other in pairs]


@pytest.mark.parametrize("measure", DISTANCES)
@given(pairs=COUNTS)
def test_no_distance_is_below_nothing_or_has_a_direction(measure: Measure, pairs: Pairs) -> None:
    one, other = split(pairs)
    assert measure(one, other) >= 0
    assert measure(one, other) == pytest.approx(measure(other, one))


@pytest.mark.parametrize("measure", DISTANCES)
@given(counts=st.lists(st.integers(0, 500), min_size=1, max_size=30), times=st.integers(1, 9))
def test_equal_shares_have_no_distance_whatever_the_sizes(measure: Measure, counts: list[int], times: int) -> None:
    assert measure(counts, [count * times for count in counts]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("measure", DISTANCES)
@given(pairs=COUNTS, seed=st.integers(0, 99))
def test_the_order_of_bins_does_not_matter(measure: Measure, pairs: Pairs, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(pairs))
    one, other = split(pairs)
    assert measure(np.array(one)[order], np.array(other)[order]) == pytest.approx(measure(one, other), abs=1e-9)


def test_the_index_of_many_rows_is_its_formula() -> None:
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.25, 0.25, 0.5])
    psi = measure_psi(p * 10_000_000, q * 10_000_000)
    assert psi == pytest.approx(float(np.sum((p - q) * np.log(p / q))), rel=1e-4)


def test_a_bin_that_is_empty_in_one_sample_has_a_finite_distance() -> None:
    assert 1 < measure_psi([100, 0], [0, 100]) < 20


def test_disjoint_distributions_are_a_distance_of_one_apart() -> None:
    assert measure_jensen_shannon([5, 0], [0, 7]) == 1
    assert measure_jensen_shannon([1, 1], [2, 0]) == pytest.approx(math.sqrt(0.311278), abs=1e-6)


def test_nothing_has_no_distance() -> None:
    assert measure_psi([0, 0], [1, 2]) == measure_jensen_shannon([0, 0], [1, 2]) == 0
    assert measure_p_value([0, 0], [1, 2]) == 1
    assert expect_psi([0, 0], [1, 2]) == (0, 0)


@pytest.mark.parametrize(("rows", "others"), [(200, 2000), (1000, 20_000), (1000, 200_000)])
def test_chance_gives_the_distance_that_is_expected_of_it(rows: int, others: int) -> None:
    chance = np.random.default_rng(20130103)
    shares = chance.dirichlet(np.full(20, 3.0))
    samples = [(chance.multinomial(rows, shares), chance.multinomial(others, shares)) for _ in range(1000)]
    found = [measure_psi(*sample) for sample in samples]
    mean, noise = np.mean([expect_psi(*sample) for sample in samples], axis=0)
    assert np.mean(found) == pytest.approx(mean, rel=0.1)
    assert np.std(found) == pytest.approx(noise, rel=0.2)


@pytest.mark.parametrize("rows", [20, 50, 500])
def test_samples_of_one_distribution_are_told_apart_no_more_often_than_stated(rows: int) -> None:
    chance = np.random.default_rng(20130104)
    shares = chance.dirichlet(np.full(20, 2.0))
    found = [measure_p_value(chance.multinomial(rows, shares), chance.multinomial(20_000, shares)) for _ in range(1000)]
    assert np.mean(np.array(found) < 0.05) < 0.05 + 0.02
    assert np.mean(np.array(found) < 0.002) < 0.01


@pytest.mark.parametrize("rows", [50, 500])
def test_bins_of_next_to_no_rows_make_no_difference_out_of_chance(rows: int) -> None:
    chance = np.random.default_rng(20130105)
    shares = np.append(chance.dirichlet(np.full(20, 2.0)) * (1 - 1e-4), [5e-5, 5e-5])
    found = [measure_p_value(chance.multinomial(rows, shares), chance.multinomial(20_000, shares)) for _ in range(1000)]
    assert np.mean(np.array(found) < 0.05) < 0.05 + 0.02


def test_samples_of_different_distributions_are_told_apart() -> None:
    assert measure_p_value([40, 10], [500, 500]) < 0.001


@pytest.mark.parametrize("rare", [1, 3, 60])
def test_a_bin_of_next_to_no_rows_hides_no_difference_between_the_others(rare: int) -> None:
    """Such as the one of missing values, of which the reference may have a single one."""
    assert measure_p_value([*[20] * 10, *[80] * 10, 0], [*[10_000] * 20, rare]) < 1e-9


def test_too_few_rows_tell_nothing_apart() -> None:
    assert measure_p_value([2, 0], [0, 2]) == 1


def test_significance_is_corrected_for_how_much_was_tested() -> None:
    assert choose_significant({"a": 0.012, "b": 0.02, "c": 0.04, "d": 0.9}, 0.05) == {"a"}
    assert choose_significant({"a": 0.012, "b": 0.016, "c": 0.02, "d": 0.04}, 0.05) == {"a", "b", "c", "d"}
    assert choose_significant({}, 0.05) == set()
