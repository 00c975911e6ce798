"""What a whole night takes, from upstream's files to predictions that applications read, and in how much memory.

``python -m benchmarks.night --entities 1000000 3000000 10000000 [--plain 1000000 3000000] [--json]`` measures, side by
side in one run and for every number of entities:

* ``nightjar``: ``nightjar run`` of the synthetic customers job (:mod:`benchmarks.customers`) on an embedded Redis, in a
  process of its own: imports, ingest, validate, features, score, publish, watch;
* ``script``: what a team would write at first, :mod:`benchmarks.plain_night`: whole frames in pandas, the same
  contract, suite and model, the same features from the raw events of 28 days, a redis-py pipeline.

Behind the night stand 27 nights of events that earlier nights have taken in, as in production; the script reads them
again.  The result goes to ``reports/bench-night.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from rich.console import Console
from rich.table import Table

from benchmarks.customers.job import FIRST_PARTITION, JOB, NIGHT
from benchmarks.customers.upstream import make_customers, make_events, make_outcomes
from benchmarks.processes import Finished, run_measured
from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline.settings import Settings
from pipeline.tasks.workspace import Workspace
from trials.redis_process import start_redis

REPORT = Path("reports/bench-night.json")
DAYS_BEFORE = 6
"""Days with a small population to train on or to score, so that the measured night has a model and a night before."""
SMALL_POPULATION = 100_000
ROWS_A_SHARD = 125_000


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    report: Report = {
        "command": describe_command("benchmarks.night"),
        "events_a_day": arguments.events,
        "days": (NIGHT - FIRST_PARTITION).days + 1,
        "nights": [],
    }
    for entities in arguments.entities:
        with start_redis() as url, tempfile.TemporaryDirectory(dir=arguments.folder) as home:
            environment = _make_environment(home, url, entities)
            _prepare(environment, entities, arguments.events)
            night: Report = {"entities": entities, "nightjar": _run_nightjar(environment, url, entities)}
            if entities in arguments.plain:
                night["script"] = _run_script(environment, url, entities)
                night["times_script"] = round(night["script"]["seconds"] / night["nightjar"]["seconds"], 2)
            report["nights"].append(night)
            report |= {"machine": describe_machine(), "versions": describe_versions(url)}
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, nargs="+", default=[100_000, 200_000])
    parser.add_argument("--plain", type=int, nargs="*", default=[100_000], help="sizes that the plain script runs too")
    parser.add_argument("--events", type=int, default=200_000, help="events a day")
    parser.add_argument("--folder", type=Path, help="where the lakes are made; removed at the end")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def _make_environment(home: str, url: str, entities: int) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "NIGHTJAR_HOME": home,
        "NIGHTJAR_LAKE": f"{home}/lake",
        "NIGHTJAR_REDIS_URL": url,
        "NIGHTJAR_JOBS": "benchmarks.customers.job",
        "CUSTOMERS_SHARDS": str(max(2, entities // ROWS_A_SHARD)),
        "NIGHTJAR_CLOCK": (JOB.cutoff(NIGHT) + timedelta(hours=1)).isoformat(),
        "NIGHTJAR_PARALLEL": os.environ.get("NIGHTJAR_PARALLEL", ""),
        "PYTHONPATH": str(Path.cwd()),
    }


def _prepare(environment: Mapping[str, str], entities: int, events: int) -> None:
    """Land everything, train a model, and run the night before, whose population is small."""
    workspace = Workspace(Settings.from_environment(environment))
    for age in range((NIGHT - FIRST_PARTITION).days, -1, -1):
        day = NIGHT - timedelta(days=age)
        _land(workspace, "events", day, make_events(events, entities, day))
        if 0 < age <= DAYS_BEFORE:
            _land(workspace, "customers", day, make_customers(SMALL_POPULATION, day))
        if age <= DAYS_BEFORE:
            _land(workspace, "outcomes", day, make_outcomes(SMALL_POPULATION, day))
    _land(workspace, "customers", NIGHT, make_customers(entities, NIGHT))
    _nightjar(environment, "train", JOB.name, "--partition", str(NIGHT - timedelta(days=2)), "--who", "benchmarks")
    _nightjar(environment, "run", JOB.name, "--partition", str(NIGHT - timedelta(days=1)))


def _land(workspace: Workspace, source: str, day: date, tables: list[Any]) -> None:
    workspace.deliveries.land(source, day, tables, datetime.combine(day, datetime.max.time(), UTC))


def _nightjar(environment: Mapping[str, str], *arguments: str) -> Finished:
    return run_measured([str(Path(sys.executable).with_name("nightjar")), *arguments, "--json"], environment)


def _run_nightjar(environment: Mapping[str, str], url: str, entities: int) -> dict[str, Any]:
    done = _nightjar(environment, "run", JOB.name, "--partition", str(NIGHT))
    stages = {stage["stage"]: round(stage["seconds"], 2) for stage in json.loads(done.output)["stages"]}
    published = json.loads(done.output)["stages"][-2]
    assert published["rows"] == entities, published
    return {
        "seconds": round(done.seconds, 1),
        "cpu_seconds": round(done.cpu_seconds, 1),
        "peak_mib": round(done.peak_mib),
        "stages": stages,
        "other_seconds": round(done.seconds - sum(stages.values()), 1),
        "bytes_per_prediction": published["bytes_per_prediction"],
    }


def _run_script(environment: Mapping[str, str], url: str, entities: int) -> dict[str, Any]:
    with redis.Redis.from_url(url) as client:
        client.flushall()
        done = run_measured([sys.executable, "-m", "benchmarks.plain_night"], environment)
        assert client.dbsize() == entities
    return {
        "seconds": round(done.seconds, 1),
        "cpu_seconds": round(done.cpu_seconds, 1),
        "peak_mib": round(done.peak_mib),
        "steps": json.loads(done.output),
    }


def _print_table(report: Report) -> None:
    table = Table(title=f"A night with {report['events_a_day']:,} events a day, {report['days']} days of them")
    for column in ("entities", "how", "seconds", "CPU s", "peak MiB", "where the seconds went"):
        table.add_column(column, justify="left" if column in ("how", "where the seconds went") else "right")
    for night in report["nights"]:
        for how in ("nightjar", "script"):
            if how in night:
                took = night[how]
                parts = took.get("stages") or took["steps"]
                went = ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
                table.add_row(
                    f"{night['entities']:,}",
                    how,
                    f"{took['seconds']:.1f}",
                    f"{took['cpu_seconds']:.1f}",
                    f"{took['peak_mib']:,}",
                    went,
                )
    console = Console(width=180)
    console.print(table)
    console.print(f"see {REPORT}")


if __name__ == "__main__":
    main()
