"""What it costs to explain the 100 highest predictions of a night of the flight job's kind: here, and by shap.

    python -m benchmarks.explaining

The model is the flight job's, fitted to 20,000 random rows; CPU seconds, on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from features.flight_delays import FEATURES
from pipeline.jobs.flight_delays.model import build_model
from pipeline.predicting import predict_outcomes
from pipeline.stages.explain import explain_rows, explain_shift, plan_effort

ROWS, EXPLAINED, BY_SHAP, COMPARED = 20_000, 100, 10, 500


def draw_rows(count: int) -> pd.DataFrame:
    random = np.random.default_rng(1)
    columns = {
        feature.name: random.normal(size=count)
        if feature.kind == "number"
        else pd.array(random.choice([f"value {number}" for number in range(20)], count), dtype="str")
        for feature in FEATURES.columns
    }
    return pd.DataFrame(columns)


def measure(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def explain_by_shap(
    predict: Callable[[pd.DataFrame], np.ndarray], rows: pd.DataFrame, background: pd.DataFrame
) -> None:
    """shap takes numbers alone, so that it gets the number of each value."""
    import shap

    both = pd.concat([background, rows], ignore_index=True)
    coded = [pd.factorize(both[name], use_na_sentinel=False) for name in both.columns]
    numbers = np.column_stack([codes for codes, _ in coded]).astype("float64")

    def predict_coded(taken: np.ndarray) -> np.ndarray:
        values = {name: coded[at][1].take(taken[:, at].astype(int)) for at, name in enumerate(both.columns)}
        return predict(pd.DataFrame(values))

    masker = shap.maskers.Independent(numbers[: len(background)], max_samples=len(background))
    explainer = shap.explainers.Permutation(predict_coded, masker, seed=1)
    explainer(numbers[len(background) :], max_evals=2 * rows.shape[1] + 1, silent=True)


def main() -> None:
    rows = draw_rows(ROWS)
    is_late = (np.random.default_rng(2).random(ROWS) < 0.2 + 0.1 * (rows["scheduled_hour"] > 0)).astype(int)
    estimator = build_model(1).fit(rows, is_late)

    def predict(frame: pd.DataFrame) -> np.ndarray:
        return predict_outcomes(estimator, frame, "binary")

    effort = plan_effort(EXPLAINED, EXPLAINED, rows.shape[1])
    background, night = rows.iloc[: effort.background], rows.iloc[-EXPLAINED:]
    with threadpool_limits(limits=1):
        print(f"{effort.rows} predictions, {rows.shape[1]} features, {effort.background} rows of background")
        print(f"here           {measure(lambda: explain_rows(predict, night, background, seed=1)):6.1f} s")
        before, after = rows.iloc[:COMPARED], rows.iloc[COMPARED : 2 * COMPARED]
        print(f"a night moved  {measure(lambda: explain_shift(predict, before, after, seed=1)):6.1f} s")
        first = measure(lambda: explain_by_shap(predict, night.head(1), background))
        more = measure(lambda: explain_by_shap(predict, night.head(BY_SHAP), background))
        print(f"shap, import and first row {first:6.1f} s, each row {more / BY_SHAP:6.2f} s")


if __name__ == "__main__":
    main()
