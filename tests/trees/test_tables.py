"""Tables say of every row what the trees say of it, to the last bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import NotCompiledError
from pipeline.trees.kernel import add_leaves
from pipeline.trees.substitution import find_parts
from pipeline.trees.tables import compile_ensemble
from pipeline.trees.verification import draw_rows, find_difference
from tests.trees.samples import fit_classifier, fit_regressor, make_matrix

pytestmark = pytest.mark.usefixtures("kernel")


def sum_by_tables(ensemble: Any, rows: np.ndarray) -> np.ndarray:
    sums: np.ndarray = np.zeros((len(rows), ensemble.n_trees_per_iteration_), order="F")
    sums += ensemble._baseline_prediction
    for output, tables in enumerate(compile_ensemble(ensemble)):
        assert tables.is_sound(rows.shape[1])
        add_leaves(tables, rows, sums[:, output])
    return sums


def check_the_same(ensemble: Any, rows: np.ndarray) -> None:
    assert np.array_equal(sum_by_tables(ensemble, rows), ensemble._raw_predict(rows))


@given(
    columns=st.integers(1, 5),
    categories=st.integers(0, 3),
    missing=st.sampled_from([0.0, 0.1, 0.6]),
    leaves=st.sampled_from([2, 7, 31, 32, 63, 100]),
    bins=st.sampled_from([2, 16, 255]),
    classes=st.integers(2, 4),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_any_classifier_on_rows_that_meet_every_edge(
    columns: int, categories: int, missing: float, leaves: int, bins: int, classes: int, seed: int
) -> None:
    categories = min(categories, columns if bins > 12 else 0)
    matrix = make_matrix(300, columns, seed, categories, missing)
    ensemble = fit_classifier(
        matrix,
        classes=classes,
        categorical_features=list(range(categories)) or None,
        max_leaf_nodes=leaves,
        max_bins=bins,
        max_iter=3,
        random_state=seed,
    )
    check_the_same(ensemble, draw_rows(ensemble, seed, rows=2000))
    check_the_same(ensemble, make_matrix(500, columns, seed + 1, categories, missing))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "gamma", "poisson", "quantile"])
def test_any_loss_of_a_regression(loss: str) -> None:
    ensemble = fit_regressor(make_matrix(400, 4, 1), loss=loss, quantile=0.7)
    check_the_same(ensemble, draw_rows(ensemble, 1))


def test_values_on_an_edge_and_one_bit_beside_it() -> None:
    ensemble = fit_regressor(make_matrix(400, 1, 1, missing=0.0), max_iter=1, max_leaf_nodes=3)
    (tables,) = compile_ensemble(ensemble)
    edges = tables.edges[:-1]
    assert len(edges) == 2
    rows = np.concatenate([np.nextafter(edges, -np.inf), edges, np.nextafter(edges, np.inf)])[:, None]
    sums = sum_by_tables(ensemble, rows)
    assert len(np.unique(sums)) == 3
    assert np.array_equal(sums, ensemble._raw_predict(rows))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e308])
def test_values_that_are_none_or_far_away(value: float) -> None:
    ensemble = fit_regressor(make_matrix(400, 3, 1))
    check_the_same(ensemble, np.full((1, 3), value))


def test_a_split_of_what_is_missing_from_what_is_not() -> None:
    """Its edge is infinity: every number goes to one side."""
    missing = np.where(np.arange(400) % 2 == 0, np.nan, 1.0)[:, None]
    ensemble = fit_regressor(missing, max_iter=2)
    check_the_same(ensemble, np.array([[np.nan], [1.0], [np.inf], [-np.inf]]))
    assert len(np.unique(sum_by_tables(ensemble, np.array([[np.nan], [7.0]])))) == 2


def test_categories_that_were_never_seen_are_missing() -> None:
    matrix = make_matrix(600, 3, 1, categories=2)
    matrix[:, 0] *= 10
    ensemble = fit_classifier(matrix, categorical_features=[0, 1])
    known, unknown = np.arange(0, 120, 10), [5, 10.5, np.nextafter(10, 0), np.nextafter(10, 11), 256, 1e9, -1, -10]
    rows = np.tile(matrix[:1], (len(known) + len(unknown), 1))
    rows[:, 0] = [*known, *unknown]
    check_the_same(ensemble, rows)
    rows[:, 0] = np.nan
    assert np.array_equal(sum_by_tables(ensemble, rows)[-8:], ensemble._raw_predict(rows)[-8:])


def test_as_many_categories_as_there_may_be() -> None:
    random = np.random.default_rng(1)
    matrix = np.column_stack([random.permutation(np.resize(np.arange(255.0), 3000)), random.normal(size=3000)])
    ensemble = fit_classifier(matrix, categorical_features=[0])
    check_the_same(ensemble, draw_rows(ensemble, 1))


def test_a_tree_that_is_one_leaf() -> None:
    ensemble = fit_regressor(np.ones((40, 2)))
    assert ensemble._predictors[0][0].get_n_leaf_nodes() == 1
    check_the_same(ensemble, make_matrix(50, 2, 1))


def test_trees_of_hundreds_of_leaves() -> None:
    ensemble = fit_regressor(make_matrix(4000, 4, 1), max_leaf_nodes=None, min_samples_leaf=2, max_iter=2)
    assert ensemble._predictors[0][0].get_n_leaf_nodes() > 500
    check_the_same(ensemble, draw_rows(ensemble, 1))


def test_rows_in_any_layout_and_on_any_number_of_threads() -> None:
    ensemble = fit_classifier(make_matrix(500, 4, 1, categories=1), categorical_features=[0])
    rows = make_matrix(50_001, 4, 2, categories=1)
    expected = ensemble._raw_predict(rows)
    wide = np.full((50_001, 9), -1.0)
    wide[:, 1::2] = rows
    for layout in (rows, np.asfortranarray(rows), wide[:, 1::2], np.ascontiguousarray(rows[::-1])[::-1]):
        assert np.array_equal(sum_by_tables(ensemble, layout), expected)


def test_no_rows() -> None:
    assert sum_by_tables(fit_regressor(make_matrix(100, 2, 1)), np.empty((0, 2))).shape == (0, 1)


def test_categories_that_are_no_numbers_have_no_tables() -> None:
    frame = pd.DataFrame({"town": pd.Categorical(["Bonn", "Ulm"] * 50), "weight": np.arange(100.0)})
    ensemble = fit_classifier(make_matrix(100, 2, 1))
    ensemble.set_params(categorical_features="from_dtype").fit(frame, np.arange(100) % 2)
    with pytest.raises(NotCompiledError, match="categories that are no numbers") as refused:
        compile_ensemble(ensemble)
    assert "OrdinalEncoder" in str(refused.value.expected)


def test_a_table_that_is_wrong_is_found_out() -> None:
    parts = find_parts(fit_classifier(make_matrix(400, 3, 1)))
    ((tables,),) = parts.compile()
    assert find_difference(parts, [[tables]]) == (4096, 0.0)
    leaves = tables.leaves.copy()
    leaves[0, 0, 0] += 0.125
    _, difference = find_difference(parts, [[replace(tables, leaves=leaves)]])
    assert difference == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("columns", lambda array: array.astype("int64")),
        ("columns", lambda array: array + 3),
        ("columns", lambda array: array - 3),
        ("edge_starts", lambda array: array[:-1]),
        ("edge_starts", lambda array: array + 1),
        ("edge_starts", lambda array: array[::-1]),
        ("edges", lambda array: array[:-1]),
        ("group_starts", lambda array: array[:-1]),
        ("group_starts", lambda array: array[::-1]),
        ("used_features", lambda array: array + 1),
        ("used_features", lambda array: array - 1),
        ("used_rows", lambda array: array + 1),
        ("used_rows", lambda array: array - 1),
        ("masks", lambda array: array[:-1]),
        ("masks", lambda array: array[:, :2]),
        ("masks", lambda array: array & 1),
        ("masks", np.asfortranarray),
        ("leaves", lambda array: array[:-1]),
        ("leaves", lambda array: array[:, :, :16]),
    ],
)
def test_tables_that_the_kernel_would_leave_are_not_sound(name: str, change: Any) -> None:
    (tables,) = compile_ensemble(fit_classifier(make_matrix(400, 3, 1)))
    assert tables.is_sound(3)
    assert not replace(tables, **{name: change(getattr(tables, name))}).is_sound(3)
