from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.stages.evaluate import bootstrap_difference, bootstrap_mean
from pipeline.stages.evaluate.bootstrap import FEWEST_CLUSTERS


def nights(count: int, rows: int, effect: float, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses of a champion and of a challenger, whose difference varies from night to night more than within one."""
    chance = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(count), rows)
    champion = chance.exponential(0.5, count * rows)
    challenger = champion + effect + np.repeat(chance.normal(0, noise, count), rows)
    return champion, challenger, clusters


def test_the_difference_is_that_of_the_means_and_lies_within() -> None:
    champion, challenger, clusters = nights(20, 50, 0.01, 0.02, seed=1)
    found = bootstrap_difference("binary", champion, challenger, clusters, confidence=0.95, seed=0)
    assert found.difference == pytest.approx(challenger.mean() - champion.mean())
    assert found.low < found.difference < found.high
    assert found.rows == 1000


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Drawing rows would cover it in a fifth of the cases: the rows of a night are no independent witnesses."""
    truth, covered = 0.01, 0
    for seed in range(200):
        champion, challenger, clusters = nights(14, 30, truth, 0.02, seed)
        found = bootstrap_difference("binary", champion, challenger, clusters, confidence=0.9, seed=seed)
        covered += found.low <= truth <= found.high
    assert 0.8 <= covered / 200 <= 0.97


def test_the_same_seed_gives_the_same_interval() -> None:
    sample = nights(10, 20, 0.0, 0.02, seed=3)
    first, second = (bootstrap_difference("binary", *sample, confidence=0.95, seed=7) for _ in range(2))
    assert first == second
    assert bootstrap_difference("binary", *sample, confidence=0.95, seed=8) != first


def test_of_too_few_nights_rows_are_drawn_and_it_says_so() -> None:
    champion, challenger, clusters = nights(FEWEST_CLUSTERS - 1, 200, 0.0, 0.1, seed=4)
    few = bootstrap_difference("binary", champion, challenger, clusters, confidence=0.95, seed=0)
    alone = bootstrap_difference("binary", champion, challenger, np.arange(len(clusters)), confidence=0.95, seed=0)
    assert few == replace(alone, drawn="rows")
    caveat = "800 rows, drawn singly, since they are of fewer than 5 partitions)"
    assert few.describe().endswith(caveat)
    assert alone.describe().endswith("800 rows)")


def test_a_regression_is_compared_by_the_root_of_its_squared_errors() -> None:
    clusters = np.arange(100)
    found = bootstrap_difference("regression", np.full(100, 4.0), np.full(100, 9.0), clusters, confidence=0.9, seed=0)
    assert (found.low, found.difference, found.high) == (1.0, 1.0, 1.0)


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        low, high = bootstrap_mean(np.random.default_rng(seed).normal(0.7, 0.05, 20), confidence=0.9, seed=seed)
        covered += low <= 0.7 <= high
    assert 0.82 <= covered / 200 <= 0.96


def test_the_interval_of_one_value_is_the_value() -> None:
    assert bootstrap_mean(np.array([0.7]), confidence=0.9, seed=0) == (0.7, 0.7)
