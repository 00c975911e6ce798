"""How long a night's rows take to score: by scikit-learn, and with compiled trees in the place of its own.

``python -m benchmarks.scoring --rows 1000000 [--json]`` fits models to rows of its own and asks each for the
predictions of as many other rows, as the stage that scores does, by either in turn, so that neighbours on the machine
weigh on both; the best round counts.

* ``pipeline``: 15 numbers and 5 columns of text, which an ``OrdinalEncoder`` makes categories of, and 100 trees of 31
  leaves; 5 % of all values are missing, and some of the text was never seen in training;
* ``numbers``: 20 numbers, of which 5 % are missing, and as many trees;
* ``flight_delays``: the flight job's vote of a linear model, which stays as it is, and trees.

``seconds`` are wall time on all cores, ``cpu_seconds`` those of all threads together.  ``ratio`` and ``cpu_ratio`` say
how many times as long scikit-learn takes; ``largest_difference`` is that of any two predictions, and of those of rows
with missing values and with unseen categories.  The report's own numbers are those of ``pipeline``.

Where treelite or tl2cgen can be imported, they score the trees of ``numbers`` as well; Nightjar needs neither.  The
result goes to ``reports/bench-scoring.json``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.explaining import draw_rows
from benchmarks.reports import Report, describe_command, describe_machine, finish
from pipeline.jobs.flight_delays.model import build_model
from pipeline.predicting import predict_outcomes
from pipeline.trees.substitution import find_parts

REPORT = Path("reports/bench-scoring.json")
TRAINED, ROUNDS = 60_000, 5
NUMBERS, TEXTS = 15, (3, 16, 40, 100, 200)
MISSING = 0.05
UNSEEN = "never seen in training"

Predictions = np.ndarray


@dataclass(frozen=True)
class Case:
    """A fitted model, and the rows that it is asked for."""

    estimator: Any
    rows: pd.DataFrame


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    numbers = _make_numbers(arguments.rows)
    cases = {
        "pipeline": _make_pipeline(arguments.rows),
        "numbers": numbers,
        "flight_delays": _make_flights(arguments.rows),
    }
    measured = {name: _measure(case) for name, case in cases.items()}
    report: Report = {
        "command": describe_command("benchmarks.scoring"),
        "rows": arguments.rows,
        **measured["pipeline"],
        "cases": measured,
        "peers": _measure_peers(numbers),
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **_list_versions()},
    }
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _draw(rows: int, numbers: int, texts: tuple[int, ...], seed: int, *, is_night: bool) -> pd.DataFrame:
    """Numbers and text, some of it missing, and on a night some that is new."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"number_{column}": random.normal(size=rows) for column in range(numbers)}
    for column, values in enumerate(texts):
        known = np.array([*(f"value {value}" for value in range(values)), *([UNSEEN] if is_night else [])])
        columns[f"text_{column}"] = pd.array(random.choice(known, rows), dtype="str")
    frame = pd.DataFrame(columns)
    return frame.mask(random.random(frame.shape) < MISSING)


def _label(frame: pd.DataFrame) -> np.ndarray:
    """An outcome that depends on every column, and on chance."""
    random = np.random.default_rng(3)
    known = np.column_stack(
        [
            frame[name].fillna(0.0) if frame[name].dtype == "float64" else pd.factorize(frame[name])[0] % 7 / 7
            for name in frame
        ]
    )
    odds = known @ random.normal(size=known.shape[1]) * 0.4 + np.sin(3 * known[:, 0])
    return np.asarray(odds + random.normal(size=len(frame)) > 0).astype("int64")


def _make_pipeline(rows: int) -> Case:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    trained = _draw(TRAINED, NUMBERS, TEXTS, seed=1, is_night=False)
    texts = [name for name in map(str, trained) if name.startswith("text")]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    columns = ColumnTransformer([("texts", encode, texts)], remainder="passthrough")
    estimator = Pipeline([("columns", columns), ("trees", _build_trees(list(range(len(texts)))))])
    return Case(_fit(estimator, trained, _label(trained)), _draw(rows, NUMBERS, TEXTS, seed=2, is_night=True))


def _make_numbers(rows: int) -> Case:
    trained = _draw(TRAINED, 20, (), seed=1, is_night=False)
    return Case(_fit(_build_trees(None), trained, _label(trained)), _draw(rows, 20, (), seed=2, is_night=True))


def _make_flights(rows: int) -> Case:
    drawn = draw_rows(20_000)
    late = np.random.default_rng(2).random(len(drawn)) < 0.1 + 0.3 * (drawn["scheduled_hour"] > 0)
    night = draw_rows(min(rows, 100_000))
    many = pd.concat([night] * -(-rows // len(night)), ignore_index=True).head(rows)
    return Case(_fit(build_model(1), drawn, np.asarray(late, dtype="int64")), many)


def _build_trees(categories: list[int] | None) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        categorical_features=categories, max_iter=100, max_leaf_nodes=31, early_stopping=False, random_state=0
    )


def _fit(estimator: Any, rows: pd.DataFrame, labels: np.ndarray) -> Any:
    with threadpool_limits(limits=1):
        return estimator.fit(rows, labels)


def _measure(case: Case) -> dict[str, Any]:
    parts = find_parts(case.estimator)
    start = time.perf_counter()
    tables = parts.compile()
    compile_seconds = time.perf_counter() - start

    def predict() -> Predictions:
        return predict_outcomes(case.estimator, case.rows, "binary")

    rounds: dict[str, list[dict[str, float]]] = {"scikit_learn": [], "compiled": []}
    for _ in range(ROUNDS):
        expected, took = _time(predict)
        rounds["scikit_learn"].append(took)
        parts.substitute(tables)
        found, took = _time(predict)
        rounds["compiled"].append(took)
        parts.restore()
    ways = {way: _take_best(took, len(case.rows)) for way, took in rounds.items()}
    return {
        **ways,
        "ratio": round(ways["scikit_learn"]["seconds"] / ways["compiled"]["seconds"], 2),
        "cpu_ratio": round(ways["scikit_learn"]["cpu_seconds"] / ways["compiled"]["cpu_seconds"], 2),
        "largest_difference": _compare(case.rows, np.abs(found - expected)),
        "trees": parts.count_trees(),
        "compile_seconds": round(compile_seconds, 3),
    }


def _time(work: Callable[[], Predictions]) -> tuple[Predictions, dict[str, float]]:
    start, cpu = time.perf_counter(), time.process_time()
    predictions = work()
    return predictions, {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}


def _take_best(rounds: list[dict[str, float]], rows: int) -> dict[str, float]:
    best = {name: min(took[name] for took in rounds) for name in ("seconds", "cpu_seconds")}
    return {**{name: round(value, 3) for name, value in best.items()}, "rows_per_second": round(rows / best["seconds"])}


def _compare(rows: pd.DataFrame, differences: np.ndarray) -> dict[str, float]:
    """The largest difference of all rows, of those with missing values, and of those with unseen categories."""
    is_missing = rows.isna().any(axis=1).to_numpy()
    is_unseen: np.ndarray = np.asarray((rows.select_dtypes("str") == UNSEEN).any(axis=1))
    chosen = {"all": np.ones(len(rows), dtype=bool), "missing": is_missing, "unseen": is_unseen}
    return {name: float(np.max(differences[which])) for name, which in chosen.items() if which.any()}


def _measure_peers(case: Case) -> dict[str, Any]:
    """What treelite's own interpreter and the C that tl2cgen makes of the trees take, of which those are there."""
    try:
        treelite = importlib.import_module("treelite")
    except ModuleNotFoundError:
        return {}
    matrix = case.rows.to_numpy()
    expected = predict_outcomes(case.estimator, case.rows, "binary")
    model = treelite.sklearn.import_model(case.estimator)
    peers = {"treelite_gtil": _measure_peer(lambda: treelite.gtil.predict(model, matrix), expected)}
    try:
        tl2cgen = importlib.import_module("tl2cgen")
    except ModuleNotFoundError:
        return peers
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        library = Path(folder) / "trees.so"
        tl2cgen.export_lib(model, toolchain="gcc", libpath=str(library), params={"parallel_comp": 2})
        compile_seconds = round(time.perf_counter() - start, 3)
        predictor = tl2cgen.Predictor(str(library))
        measured = _measure_peer(lambda: predictor.predict(tl2cgen.DMatrix(matrix, dtype="float64")), expected)
    return {**peers, "tl2cgen": {**measured, "compile_seconds": compile_seconds}}


def _measure_peer(predict: Callable[[], Predictions], expected: Predictions) -> dict[str, Any]:
    rounds = []
    for _ in range(ROUNDS):
        found, took = _time(predict)
        rounds.append(took)
    difference = np.max(np.abs(found.reshape(len(expected), -1)[:, -1] - expected))
    return {**_take_best(rounds, len(expected)), "largest_difference": float(difference)}


def _list_versions() -> dict[str, str]:
    names = ("scikit-learn", "numpy", "pandas", "treelite", "tl2cgen")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How long a night's rows take to score.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _print_table(report: Report) -> None:
    table = Table(title=f"scoring {report['rows']:,} rows")
    for name in ("case", "scikit-learn s", "compiled s", "ratio", "CPU ratio", "largest difference"):
        table.add_column(name, justify="left" if name == "case" else "right")
    for name, case in report["cases"].items():
        seconds = (f"{case[way]['seconds']:.2f}" for way in ("scikit_learn", "compiled"))
        ratios = (f"{case[which]:.2f}" for which in ("ratio", "cpu_ratio"))
        table.add_row(name, *seconds, *ratios, f"{case['largest_difference']['all']:g}")
    for name, peer in report["peers"].items():
        table.add_row(f"numbers, {name}", "", f"{peer['seconds']:.2f}", "", "", f"{peer['largest_difference']:g}")
    Console().print(table)


if __name__ == "__main__":
    main()
