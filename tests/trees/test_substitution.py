"""A fitted estimator predicts the same with tables in the place of its trees, wherever in it they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from pipeline.errors import NotCompiledError
from pipeline.trees import kernel as kernel_module
from pipeline.trees.substitution import find_parts
from tests.trees.samples import (
    CATEGORIES,
    NUMBERS,
    build_pipeline,
    fit_classifier,
    fit_pipeline,
    fit_regressor,
    label_frame,
    make_frame,
    make_matrix,
)

pytestmark = pytest.mark.usefixtures("kernel")

FRAME = make_frame(600)
LABELS = label_frame(FRAME)


def calibrate() -> Any:
    return CalibratedClassifierCV(FrozenEstimator(fit_pipeline()), method="isotonic")


def stack() -> Any:
    final = HistGradientBoostingClassifier(max_iter=3)
    return StackingClassifier([("trees", build_pipeline(trees=5))], final_estimator=final, cv=2)


def check_the_same(estimator: Any, frame: Any, ask: str = "predict_proba") -> None:
    """Before, with tables, and after; and that the trees themselves were not asked in between."""
    parts = find_parts(estimator)
    tables = parts.compile()
    expected = getattr(estimator, ask)(frame)
    kept = [ensemble._predictors for ensemble in parts.ensembles]
    parts.substitute(tables)
    for ensemble in parts.ensembles:
        ensemble._predictors = None
    assert np.array_equal(getattr(estimator, ask)(frame), expected)
    for ensemble, predictors in zip(parts.ensembles, kept, strict=True):
        ensemble._predictors = predictors
    parts.restore()
    assert not any({"_raw_predict", "transform"} & set(vars(part)) for part in (*parts.ensembles, *parts.encoders))
    assert np.array_equal(getattr(estimator, ask)(frame), expected)


@pytest.mark.parametrize("build", [build_pipeline, calibrate, stack])
def test_trees_inside_of_other_estimators(build: Callable[[], Any]) -> None:
    check_the_same(build().fit(FRAME, LABELS), make_frame(400, 3, unseen=True))


def test_a_vote_of_trees_and_a_line() -> None:
    numbers = FRAME[NUMBERS]
    members = [("trees", fit_classifier(numbers)), ("line", make_pipeline(SimpleImputer(), LogisticRegression()))]
    check_the_same(VotingClassifier(members, voting="soft", weights=[2, 1]).fit(numbers, LABELS), numbers)


def test_a_regression_of_a_changed_target() -> None:
    matrix = make_matrix(300, 3, 1)
    regressor = TransformedTargetRegressor(fit_regressor(matrix), func=np.log1p, inverse_func=np.expm1)
    check_the_same(regressor.fit(matrix, np.arange(300.0)), matrix, "predict")


@pytest.mark.parametrize("ask", ["predict", "predict_proba", "decision_function"])
def test_whatever_the_trees_are_asked(ask: str) -> None:
    check_the_same(fit_classifier(make_matrix(300, 3, 1), classes=3), make_matrix(200, 3, 2), ask)


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_infinity=False, allow_nan=False)),
            st.one_of(st.none(), st.floats(-3, 3)),
            st.one_of(st.none(), st.sampled_from(["town 1", "town 29", "town 30", ""]), st.text(max_size=5)),
            st.one_of(st.none(), st.sampled_from(["letter", "parcel", "pallet", "never seen in training"])),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=60)
def test_any_rows_of_numbers_and_text(rows: list[tuple[Any, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=[*NUMBERS, *CATEGORIES])
    check_the_same(_PIPELINE, frame.astype({**dict.fromkeys(NUMBERS, "float64"), **dict.fromkeys(CATEGORIES, "str")}))


_PIPELINE = fit_pipeline()


def encode(frame: pd.DataFrame, *, fitted: OrdinalEncoder) -> tuple[Any, Any]:
    """By scikit-learn, and by asking for distinct values alone."""
    expected = fitted.transform(frame)
    parts = find_parts(fitted)
    parts.substitute([])
    found = fitted.transform(frame)
    parts.restore()
    return expected, found


def test_encoders_say_the_same_of_any_kind_of_frame() -> None:
    frame = make_frame(300)[CATEGORIES]
    fitted = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=8).fit(frame)
    for given_frame in (make_frame(200, 5, unseen=True)[CATEGORIES], frame.astype("object"), frame.astype("category")):
        expected, found = encode(given_frame, fitted=fitted)
        assert np.array_equal(expected, found, equal_nan=True)
        assert expected.dtype == found.dtype


def test_an_encoder_that_gives_frames_gives_frames() -> None:
    frame = make_frame(300)[CATEGORIES]
    expected, found = encode(frame, fitted=OrdinalEncoder().set_output(transform="pandas").fit(frame))
    pd.testing.assert_frame_equal(expected, found)


def test_an_encoder_that_takes_nothing_unknown_refuses_it_still() -> None:
    frame = make_frame(300)[CATEGORIES]
    fitted = OrdinalEncoder().fit(frame)
    find_parts(fitted).substitute([])
    with pytest.raises(ValueError, match="unknown categories"):
        fitted.transform(make_frame(300, unseen=True)[CATEGORIES])


def test_columns_of_other_names_are_refused_still() -> None:
    ensemble = fit_classifier(FRAME[NUMBERS])
    parts = find_parts(ensemble)
    parts.substitute(parts.compile())
    with pytest.raises(ValueError, match="feature names"):
        ensemble.predict_proba(FRAME[NUMBERS].rename(columns={"weight": "height"}))


def test_what_has_no_such_trees_is_left_alone() -> None:
    forest = RandomForestClassifier(3).fit(FRAME[NUMBERS].fillna(0), LABELS)
    parts = find_parts(forest)
    assert (parts.ensembles, parts.encoders, parts.compile()) == ([], [], [])


class Doubled(HistGradientBoostingClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Trees that are summed up otherwise."""

    def _raw_predict(self, features: Any, n_threads: int | None = None) -> Any:
        return 2 * super()._raw_predict(features, n_threads)


def test_a_class_of_the_jobs_own_is_left_alone() -> None:
    ensemble = Doubled(max_iter=3).fit(FRAME[NUMBERS], LABELS)
    assert find_parts(ensemble).ensembles == []


def test_tables_of_other_trees_are_refused_and_nothing_is_changed() -> None:
    parts = find_parts(fit_classifier(make_matrix(300, 3, 1)))
    others: list[Any] = [[], find_parts(fit_classifier(make_matrix(300, 4, 1))).compile(), [[], []]]
    for other in others:
        with pytest.raises(NotCompiledError, match="not the tables of the model's trees"):
            parts.substitute(other)
    assert "_raw_predict" not in vars(parts.ensembles[0])


def test_without_a_kernel_nothing_is_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    parts = find_parts(fit_classifier(make_matrix(300, 3, 1)))
    tables = parts.compile()
    monkeypatch.setattr(kernel_module, "locate_kernel", lambda: tmp_path / "kernel.so")
    with pytest.raises(NotCompiledError, match="was not built on this machine"):
        parts.substitute(tables)
    assert "_raw_predict" not in vars(parts.ensembles[0])
