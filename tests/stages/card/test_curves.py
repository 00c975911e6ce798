"""Curves of a card: known shapes, few digits, and no bin that tells of single rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.stages.card import compute_bins, compute_residuals, compute_roc
from pipeline.stages.card.curves import FEWEST_ROWS


def make_series(values: object) -> pd.Series:
    return pd.Series(np.asarray(values, dtype="float64"))


def test_the_roc_curve_of_a_perfect_ranking_goes_through_the_corner() -> None:
    curve = dict(compute_roc(make_series([0] * 50 + [1] * 50), make_series(np.linspace(0, 1, 100))))
    assert curve[0.01] == 1.0
    assert (len(curve), curve[1.0]) == (101, 1.0)


def test_the_area_under_the_roc_curve_is_the_auc() -> None:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    random = np.random.default_rng(3)
    scores = random.uniform(size=4000)
    labels = (random.uniform(size=4000) < scores).astype("float64")
    curve = np.array(compute_roc(make_series(labels), make_series(scores)))
    area = np.trapezoid(curve[:, 1], curve[:, 0])
    assert area == pytest.approx(roc_auc_score(labels, scores), abs=2e-3)


def test_bins_hold_the_means_of_as_many_rows_each_and_what_they_are_sure_of() -> None:
    scores = np.repeat([0.2, 0.8], 500)
    labels = np.concatenate([np.arange(500) < 100, np.arange(500) < 400]).astype("float64")
    order = np.random.default_rng(1).permutation(1000)
    bins = compute_bins("binary", make_series(labels[order]), make_series(scores[order]))
    assert [item["rows"] for item in bins] == [100] * 10
    assert [item["score"] for item in bins] == [0.2] * 5 + [0.8] * 5
    assert np.mean([item["outcome"] for item in bins[:5]]) == pytest.approx(0.2)
    assert all(0 <= item["low"] < item["outcome"] < item["high"] <= 1 for item in bins)


@pytest.mark.parametrize(("rows", "bins"), [(5, 1), (FEWEST_ROWS * 3, 3), (FEWEST_ROWS * 100, 10)])
def test_no_bin_tells_of_single_rows(rows: int, bins: int) -> None:
    scores, labels = make_series(np.arange(rows)), make_series(np.arange(rows) * 2.0)
    assert len(compute_bins("regression", labels, scores)) == bins
    assert len(compute_residuals(labels, scores)["spread"]) == bins


def test_residuals_are_counted_once_each_however_far_out_they_are() -> None:
    labels = make_series([*np.zeros(999), 1e9])
    residuals = compute_residuals(labels, make_series(np.linspace(-1, 1, 1000)))
    assert sum(residuals["counts"]) == 1000
    assert max(abs(edge) for edge in residuals["edges"]) < 1.01
    assert len(residuals["edges"]) == len(residuals["counts"]) + 1


def test_a_value_of_a_row_is_not_told_by_its_digits() -> None:
    labels = make_series(np.full(200, 48151.62342))
    told = f"{compute_bins('regression', labels, labels)} {compute_residuals(labels, labels)}"
    assert "48150" in told
    assert "48151" not in told
