"""Contributions of features to predictions: Shapley values, sampled."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import shap

from pipeline.stages import explain

COLUMNS = ["speed", "wind", "aircraft", "load"]


def predict(rows: pd.DataFrame) -> np.ndarray:
    """A probability with an interaction, a category and missing values in it; ``load`` does not count."""
    known = rows["wind"].fillna(-1.0)
    raw = 0.8 * rows["speed"] + 0.5 * rows["speed"] * known + (rows["aircraft"] == "old") * (1 + known)
    return np.asarray(1 / (1 + np.exp(-raw)), dtype="float64")


def draw_rows(count: int, seed: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    wind = generator.normal(size=count)
    wind[::7] = np.nan
    return pd.DataFrame(
        {
            "speed": generator.normal(size=count),
            "wind": wind,
            "aircraft": pd.array(generator.choice(["old", "new"], size=count), dtype="str"),
            "load": generator.normal(size=count),
        }
    )


ROWS, BACKGROUND = draw_rows(20, seed=1), draw_rows(60, seed=2)


def compute_exactly(row: pd.DataFrame, background: pd.DataFrame) -> np.ndarray:
    """Shapley values by their definition: every subset of the features."""
    width = row.shape[1]
    means = {}
    for size in range(width + 1):
        for known in itertools.combinations(range(width), size):
            mixed = background.copy()
            for column in known:
                mixed[row.columns[column]] = row[row.columns[column]].iloc[0]
            means[known] = predict(mixed).mean()
    values = np.zeros(width)
    for column in range(width):
        others = [other for other in range(width) if other != column]
        for size in range(width):
            weight = math.factorial(size) * math.factorial(width - size - 1) / math.factorial(width)
            for known in itertools.combinations(others, size):
                values[column] += weight * (means[tuple(sorted((*known, column)))] - means[known])
    return values


def test_base_and_contributions_add_up_to_the_prediction() -> None:
    found = explain.explain_rows(predict, ROWS, BACKGROUND, seed=7)
    assert found.base == pytest.approx(predict(BACKGROUND).mean(), abs=1e-12)
    assert found.base + found.contributions.sum(axis=1) == pytest.approx(predict(ROWS), abs=1e-12)


def test_contributions_are_the_shapley_values() -> None:
    found = explain.explain_rows(predict, ROWS, BACKGROUND, seed=7)
    exact = np.stack([compute_exactly(ROWS.iloc[[number]], BACKGROUND) for number in range(len(ROWS))])
    assert np.abs(exact).max() > 0.3
    assert found.contributions == pytest.approx(exact, abs=0.03)


def test_they_are_those_of_shap() -> None:
    """The library of the method's authors, which goes through every subset of so few features: numbers alone."""
    rows, background = (
        frame.assign(aircraft=(frame["aircraft"] == "old") * 1.0) for frame in (ROWS.head(5), BACKGROUND)
    )

    def predict_numbers(values: np.ndarray | pd.DataFrame) -> np.ndarray:
        frame = pd.DataFrame(np.asarray(values), columns=COLUMNS)
        return predict(frame.assign(aircraft=np.where(frame["aircraft"] == 1, "old", "new")))

    theirs = shap.KernelExplainer(predict_numbers, background.to_numpy())
    found = explain.explain_rows(predict_numbers, rows, background, seed=7)
    assert found.base == pytest.approx(theirs.expected_value, abs=1e-9)
    assert found.contributions == pytest.approx(theirs.shap_values(rows.to_numpy(), silent=True), abs=0.03)


def test_a_feature_that_does_not_count_contributes_nothing() -> None:
    found = explain.explain_rows(predict, ROWS, BACKGROUND, seed=7)
    assert np.abs(found.contributions[:, COLUMNS.index("load")]).max() < 1e-15


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (explain.explain_rows(predict, ROWS, BACKGROUND, seed=seed) for seed in (7, 7, 8))
    assert first.contributions.tobytes() == again.contributions.tobytes()
    assert first.contributions.tobytes() != other.contributions.tobytes()


def test_the_chance_of_others_is_left_alone() -> None:
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    explain.explain_rows(predict, ROWS, BACKGROUND, seed=7)
    assert np.random.random() == expected


@pytest.mark.parametrize(("wanted", "columns"), [(100, 44), (1000, 44), (1000, 3), (100, 5000), (10, 10**6)])
def test_the_model_is_asked_for_no_more_rows_than_is_stated(wanted: int, columns: int) -> None:
    effort = explain.plan_effort(wanted, 100, columns)
    assert 1 <= effort.rows <= wanted
    assert 1 <= effort.background <= 100
    assert effort.rows * effort.background * (columns + 1) <= max(explain.MOST_PREDICTIONS, columns + 1)


def test_the_model_is_asked_for_as_many_rows_as_were_planned() -> None:
    asked = []

    def count(rows: pd.DataFrame) -> np.ndarray:
        asked.append(len(rows))
        return predict(rows)

    explain.attribute_changes(count, BACKGROUND.head(20), ROWS, seed=7)
    assert sum(asked) == 20 * (len(COLUMNS) + 1)


def test_a_shift_is_told_feature_by_feature() -> None:
    """Stronger winds, and nothing else, and the mean moves by what the wind did."""
    before = draw_rows(400, seed=3)
    after = draw_rows(400, seed=3)
    after["wind"] += 1.5
    mean_before, mean_after, contributions = explain.explain_shift(predict, before, after, seed=7)
    assert (mean_before, mean_after) == (predict(before).mean(), predict(after).mean())
    assert contributions.sum() == pytest.approx(mean_after - mean_before, abs=1e-12)
    assert explain.name_largest(contributions, COLUMNS)[0][0] == "wind"
    assert contributions[COLUMNS.index("wind")] == pytest.approx(mean_after - mean_before, abs=0.02)


def test_rows_are_thinned_out_from_all_over_them() -> None:
    assert list(explain.thin_out(pd.DataFrame({"row": range(9)}), 3)["row"]) == [0, 4, 8]
    assert list(explain.thin_out(pd.DataFrame({"row": range(2)}), 3)["row"]) == [0, 1]


def test_reasons_are_the_three_largest_rounded_as_predictions_are() -> None:
    text = explain.write_reasons(np.array([0.01, -0.2, 0.12345678, 0.05]), COLUMNS, decimals=3)
    assert json.loads(text) == [["wind", -0.2], ["aircraft", 0.123], ["load", 0.05]]


def test_what_contributes_nothing_is_no_reason() -> None:
    assert explain.write_reasons(np.array([0.0, 0.0004, 0.5, 0.0]), COLUMNS, decimals=3) == '[["aircraft",0.5]]'


def test_reasons_are_never_longer_than_stated() -> None:
    names = [letter * 200 for letter in "abcd"]
    text = explain.write_reasons(np.array([4.0, 3.0, 2.0, 1.0]), names, decimals=1)
    assert [feature for feature, _ in json.loads(text)] == names[:2]
