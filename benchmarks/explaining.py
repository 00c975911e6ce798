"""What it costs to explain the 100 highest predictions of a night of the flight job's kind: here, and by shap.

``python -m benchmarks.explaining [--json]``: the model is the flight job's, fitted to 20,000 random rows; CPU seconds,
on one thread.  ``reasons_a_second`` counts reasons, one a feature of every explained row.  The result goes to
``reports/bench-explaining.json``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.reports import Report, describe_command, describe_machine, finish
from features.flight_delays import FEATURES
from pipeline.jobs.flight_delays.model import build_model
from pipeline.predicting import predict_outcomes
from pipeline.stages.explain import explain_rows, explain_shift, plan_effort

REPORT = Path("reports/bench-explaining.json")
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
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        seconds = _measure()
    report: Report = {
        "command": describe_command("benchmarks.explaining"),
        "explained": EXPLAINED,
        "features": len(FEATURES.columns),
        "seconds": {name: round(taken, 2) for name, taken in seconds.items()},
        "reasons_a_second": round(EXPLAINED * len(FEATURES.columns) / seconds["nightjar"]),
        "times_shap": round(seconds["shap_a_row"] * EXPLAINED / seconds["nightjar"], 1),
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), "shap": importlib.metadata.version("shap")},
    }
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _measure() -> dict[str, float]:
    rows = draw_rows(ROWS)
    is_late = (np.random.default_rng(2).random(ROWS) < 0.2 + 0.1 * (rows["scheduled_hour"] > 0)).astype(int)
    estimator = build_model(1).fit(rows, is_late)

    def predict(frame: pd.DataFrame) -> np.ndarray:
        return predict_outcomes(estimator, frame, "binary")

    effort = plan_effort(EXPLAINED, EXPLAINED, rows.shape[1])
    background, night = rows.iloc[: effort.background], rows.iloc[-EXPLAINED:]
    before, after = rows.iloc[:COMPARED], rows.iloc[COMPARED : 2 * COMPARED]
    return {
        "nightjar": measure(lambda: explain_rows(predict, night, background, seed=1)),
        "nightjar_shift": measure(lambda: explain_shift(predict, before, after, seed=1)),
        "shap_start": measure(lambda: explain_by_shap(predict, night.head(1), background)),
        "shap_a_row": measure(lambda: explain_by_shap(predict, night.head(BY_SHAP), background)) / BY_SHAP,
    }


def _print_table(report: Report) -> None:
    seconds = report["seconds"]
    table = Table(title=f"CPU seconds for the reasons of {report['explained']} rows of {report['features']} features")
    table.add_column("how")
    table.add_column("seconds", justify="right")
    table.add_row("nightjar", f"{seconds['nightjar']:.1f}")
    table.add_row("shap, without its imports", f"{seconds['shap_a_row'] * report['explained']:.1f}")
    table.add_row("nightjar, why a night's mean moved", f"{seconds['nightjar_shift']:.1f}")
    console = Console()
    console.print(table)
    console.print(f"{report['reasons_a_second']:,} reasons a second, {report['times_shap']} times shap; see {REPORT}")


if __name__ == "__main__":
    main()
