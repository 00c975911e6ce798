"""How long the verdict on every row takes when the rows are clean, when half of them are bad, and when all are.

``python -m benchmarks.validation --rows 1000000 [--json]`` lands deliveries of 20 columns in a lake of its own, ingests
them, and times the whole task that follows, :func:`pipeline.tasks.validating.validate_delivery`: reading the shards,
judging every row by its contract, writing valid and quarantined rows as Parquet, counting reasons, profiling.

* ``clean``: nothing is wrong;
* ``half_bad``: every other row breaks several checks;
* ``all_bad``: every row breaks several checks;
* ``all_missing``: every row lacks everything but its id, and so has more reasons than are kept of one row;
* ``all_conflicting``: every row's id is there twice, with other values;
* ``all_no_text``: every row holds bytes that are not UTF-8.

``bad_seconds`` is the slowest of the bad ones, ``ratio`` what it is of ``clean_seconds``.  Refused rows are not
profiled, which makes up for part of what they cost; ``judging_ratio`` is therefore the same of the verdict alone
(:func:`pipeline.stages.validate.judge_rows` and counting reasons).  Every case is timed in every round, so that
neighbours on the machine weigh on all of them, and the best round counts.

``masks_seconds`` is what masks written by hand take for the same checks of the clean rows
(:mod:`benchmarks.peers.masks`), without saying what is wrong with a row; ``times_masks`` is the verdict alone by that.
The result goes to ``reports/bench-validation.json``.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.peers.masks import find_valid
from benchmarks.reports import Report, describe_command, describe_machine, finish
from pipeline.contracts import load_contract
from pipeline.job import Job, Label, Owner, Role, Source, Training
from pipeline.settings import Settings
from pipeline.stages.ingest import number_rows
from pipeline.stages.validate import count_reasons, frame_from_arrow, judge_rows
from pipeline.stores.deliveries import Delivery
from pipeline.tasks.ingesting import ROLE, ingest_delivery
from pipeline.tasks.validating import validate_delivery
from pipeline.tasks.workspace import Workspace, open_workspace

REPORT = Path("reports/bench-validation.json")
SHARDS = 16
PARTITION = date(2024, 3, 1)
ROUNDS = 3

CATEGORIES = [f"category {number:02}" for number in range(12)]
AMOUNTS = [f"amount_{number}" for number in range(8)]
COUNTS = [f"count_{number}" for number in range(4)]
KINDS = [f"kind_{number}" for number in range(3)]
MOMENT = pa.timestamp("us", "UTC")

ROWS = pandera.DataFrameSchema(
    {
        "customer": pandera.Column(str, pandera.Check.str_matches(r"^C[0-9]{12}\Z")),
        **{name: pandera.Column("float64", pandera.Check.in_range(0, 1000)) for name in AMOUNTS},
        **{name: pandera.Column("int64", pandera.Check.in_range(0, 100)) for name in COUNTS},
        **{name: pandera.Column(str, pandera.Check.isin(CATEGORIES)) for name in KINDS},
        "is_member": pandera.Column(bool),
        "note": pandera.Column(str, pandera.Check.str_length(max_value=40), nullable=True),
        "since": pandera.Column(pd.DatetimeTZDtype("us", "UTC")),
        "known_at": pandera.Column(pd.DatetimeTZDtype("us", "UTC")),
    },
    checks=pandera.Check(lambda rows: rows["since"] <= rows["known_at"], error="known before it began"),
)

JOB = Job(
    name="bench_validation",
    description="Nothing is asked: only rows are judged.",
    owner=Owner(name="Nightjar", email="nightjar@example.org"),
    task="binary",
    timezone="UTC",
    close_after=timedelta(hours=4),
    patience=timedelta(hours=4),
    first_partition=PARTITION,
    sources=(
        Source(
            name="customers",
            role=Role.POPULATION,
            key=("customer",),
            contract="benchmarks.validation:ROWS",
            event_time="known_at",
            shards=SHARDS,
        ),
        Source(name="outcomes", role=Role.EVENTS, key=("customer",), contract="benchmarks.validation:ROWS"),
    ),
    feature_set="benchmarks.validation:NONE",
    model="benchmarks.validation:NONE",
    label=Label(source="outcomes", value="is_member", closes_after=1),
    training=Training(window=1, minimum=1, holdout=1),
)


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        cases = _measure(_open(Path(folder)), arguments.rows)
    masks_seconds = _time_masks(arguments.rows)
    clean, bad = cases["clean"], [case for name, case in cases.items() if name != "clean"]
    bad_seconds = max(case["seconds"] for case in bad)
    report: Report = {
        "command": describe_command("benchmarks.validation"),
        "rows": arguments.rows,
        "columns": len(ROWS.columns),
        "clean_seconds": clean["seconds"],
        "bad_seconds": bad_seconds,
        "ratio": round(bad_seconds / clean["seconds"], 2),
        "judging_ratio": round(max(case["judging_seconds"] for case in bad) / clean["judging_seconds"], 2),
        "masks_seconds": masks_seconds,
        "times_masks": round(clean["judging_seconds"] / masks_seconds, 1),
        "cases": cases,
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), "pandas": pd.__version__, "pyarrow": pa.__version__},
    }
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def make_rows(rows: int) -> pa.Table:
    """Rows that the contract accepts, all of them."""
    random = np.random.default_rng(7)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    columns: dict[str, Any] = {"customer": [f"C{number:012d}" for number in range(rows)]}
    columns |= {name: np.round(random.uniform(0, 1000, rows), 2) for name in AMOUNTS}
    columns |= {name: random.integers(0, 101, rows) for name in COUNTS}
    columns |= {name: pa.array(CATEGORIES).take(pa.array(random.integers(0, 12, rows))) for name in KINDS}
    columns["is_member"] = random.random(rows) < 0.5
    columns["note"] = [f"note {number % 1000}" for number in range(rows)]
    columns["since"] = pa.array([first] * rows, MOMENT)
    columns["known_at"] = pa.array([first + timedelta(seconds=number % 86_400) for number in range(rows)], MOMENT)
    return pa.table(columns)


def break_rows(table: pa.Table, every: int) -> pa.Table:
    """Every so many rows break seven checks."""
    broken = np.arange(table.num_rows) % every == 0
    changes: dict[str, Any] = {
        "amount_0": -5.0,
        "amount_1": 5000.0,
        "amount_2": float("inf"),
        "count_0": 101,
        "kind_0": "no category",
    }
    for name, value in changes.items():
        table = _set(table, name, np.where(broken, value, table[name].to_numpy()))
    nothing = pa.array(np.where(broken, None, table["kind_1"].to_numpy()), pa.string())
    return _set(_set(table, "kind_1", nothing), "note", np.where(broken, "x" * 41, table["note"].to_numpy()))


def remove_values(table: pa.Table) -> pa.Table:
    """All but the ids and the event time is missing."""
    for field in table.schema:
        if field.name not in {"customer", "known_at"}:
            table = _set(table, field.name, pa.nulls(table.num_rows, field.type))
    return table


def repeat_ids(table: pa.Table) -> pa.Table:
    """Neighbours share an id and nothing else."""
    return _set(table, "customer", table["customer"].take(pa.array(np.arange(table.num_rows) // 2 * 2)))


def break_text(table: pa.Table) -> pa.Table:
    """The notes are Latin-1, which no text column can hold."""
    content = pa.array(["Zürich".encode("latin-1")] * table.num_rows, pa.binary())
    return _set(table, "note", pa.Array.from_buffers(pa.string(), len(content), content.buffers()))


def _set(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values if isinstance(values, pa.Array) else [values])


def _measure(workspace: Workspace, rows: int) -> dict[str, dict[str, Any]]:
    """Seconds of the best round and rows in quarantine, by case."""
    clean = make_rows(rows)
    tables = {
        "clean": clean,
        "half_bad": break_rows(clean, 2),
        "all_bad": break_rows(clean, 1),
        "all_missing": remove_values(clean),
        "all_conflicting": repeat_ids(clean),
        "all_no_text": break_text(clean),
    }
    delivered = {
        name: workspace.deliveries.land(JOB.population.name, PARTITION, [table], datetime.now(UTC))[0]
        for name, table in tables.items()
    }
    for delivery in delivered.values():
        ingest_delivery(workspace, JOB, JOB.population, delivery)
    rounds = [{name: _time(workspace, delivery) for name, delivery in delivered.items()} for _ in range(ROUNDS)]
    return {name: {part: min(each[name][part] for each in rounds) for part in rounds[0][name]} for name in tables}


def _time(workspace: Workspace, delivery: Delivery) -> dict[str, Any]:
    """The whole task after ingestion, then the verdict on its rows alone."""
    source = JOB.population
    ingested = ingest_delivery(workspace, JOB, source, delivery)
    started = time.perf_counter()
    validated = validate_delivery(workspace, JOB, source, delivery, force=True)
    seconds = time.perf_counter() - started
    contract, outputs = load_contract(source), workspace.outputs(JOB)
    judging = 0.0
    for label in ingested.shards(ROLE):
        rows = frame_from_arrow(outputs.read(ingested, label), contract)
        started = time.perf_counter()
        verdict = judge_rows(
            rows,
            contract,
            key=source.key,
            event_time=source.event_time,
            cutoff=JOB.cutoff(PARTITION),
            entity_id=JOB.entity_id,
        )
        count_reasons(verdict.quarantined)
        judging += time.perf_counter() - started
    quarantined = validated.facts["quarantined"]
    return {"seconds": round(seconds, 3), "judging_seconds": round(judging, 3), "quarantined": quarantined}


def _time_masks(rows: int) -> float:
    """Seconds of the best round over the clean rows, shard by shard as the verdict has them."""
    contract = load_contract(JOB.population)
    shards = [frame_from_arrow(shard, contract) for shard in _cut(number_rows(make_rows(rows), 0))]
    checked = {"amounts": AMOUNTS, "counts": COUNTS, "kinds": KINDS, "categories": CATEGORIES}
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        valid = [find_valid(shard, **checked, cutoff=JOB.cutoff(PARTITION)) for shard in shards]
        taken.append(time.perf_counter() - started)
        assert all(mask.all() for mask in valid)
    return round(min(taken), 3)


def _cut(table: pa.Table) -> list[pa.Table]:
    size = -(-table.num_rows // SHARDS)
    return [table.slice(first, size) for first in range(0, table.num_rows, size)]


def _open(home: Path) -> Workspace:
    settings = Settings(
        home=home,
        lake=str(home / "lake"),
        redis_url=SecretStr("redis://127.0.0.1:1/0"),
        embedded_redis=False,
        jobs=(),
        mlflow_uri=SecretStr(""),
        parallel="inline",
        alert_webhook=SecretStr(""),
    )
    return open_workspace(settings)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def _print_table(report: Report) -> None:
    table = Table(title=f"A verdict for each of {report['rows']:,} rows of {report['columns']} columns")
    for column in ("rows", "quarantined", "whole task", "verdict alone"):
        table.add_column(column, justify="left" if column == "rows" else "right")
    for name, case in report["cases"].items():
        table.add_row(name, f"{case['quarantined']:,}", f"{case['seconds']:.2f} s", f"{case['judging_seconds']:.2f} s")
    console = Console()
    console.print(table)
    console.print(
        f"at worst {report['ratio']} times the clean time, {report['judging_ratio']} of the verdict alone\n"
        f"masks by hand: {report['masks_seconds']:.2f} s; the verdict on clean rows: {report['times_masks']} times\n"
        f"see {REPORT}"
    )


if __name__ == "__main__":
    main()
