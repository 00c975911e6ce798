"""What the features of a night cost with tiles, and from the raw events, by the length of the history behind them.

``python -m benchmarks.features --entities 500000 --events 500000 [--json]`` measures, side by side in one run, for 7,
28 and 90 days of events behind the night:

* ``tiles``: the stage ``build_features`` of Nightjar: the tile of the night's events, windows rolled on from those of
  the night before, and the features of every entity, written to the lake;
* ``raw``: what a script does: read the events of all days, aggregate them for each window, join them to the entities
  (:func:`benchmarks.plain_night.build`); nothing is written.

Both begin with files of validated rows.  Each is taken the given number of times, in turns, and the fastest counts.
The features of both are compared.  The result goes to ``reports/bench-features.json``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.customers.histories import WINDOWS, reach_back
from benchmarks.customers.job import JOB, NIGHT
from benchmarks.customers.upstream import make_customers, make_events, make_outcomes
from benchmarks.plain_features import build_features, read_day, read_events
from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline import tasks
from pipeline.job import Job
from pipeline.settings import Settings
from pipeline.tasks.feature_building import ROLE, STAGE, read_features
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.partitioned_tiles import STAGE as TILES
from pipeline.tasks.rolled_windows import STAGE as ROLLED
from pipeline.tasks.workspace import Workspace
from trials.redis_process import start_redis

REPORT = Path("reports/bench-features.json")
SMALL_POPULATION = 1_000
"""Of the night before: its windows are of all who have had events."""


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    with start_redis() as url:
        histories = [
            _measure(days, url, arguments.entities, arguments.events, arguments.times, arguments.folder)
            for days in WINDOWS
        ]
        report = {
            "command": describe_command("benchmarks.features"),
            "entities": arguments.entities,
            "events_a_day": arguments.events,
            "histories": histories,
            "machine": describe_machine(),
            "versions": describe_versions(url),
        }
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=100_000, help="events a day")
    parser.add_argument("--times", type=int, default=3, help="how often each is taken")
    parser.add_argument("--folder", type=Path, help="where the lakes are made; removed at the end")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def _measure(days: int, url: str, entities: int, events: int, times: int, folder: Path | None) -> dict[str, Any]:
    job = reach_back(days)
    with tempfile.TemporaryDirectory(dir=folder) as home:
        workspace = _open(home, url)
        validated = _prepare(workspace, job, entities, events)
        kept = _list_outputs(workspace, job)
        tiles, raw = [], []
        for turn in range(times):
            for stage, address in _list_outputs(workspace, job) - kept:
                workspace.outputs(job).remove(stage, address)
            started = time.perf_counter()
            built = tasks.build_features(workspace, job, NIGHT.isoformat(), f"turn-{turn}", validated)
            tiles.append(time.perf_counter() - started)
            started = time.perf_counter()
            recomputed = _recompute(Path(workspace.settings.lake), days)
            raw.append(time.perf_counter() - started)
        apart = _compare(workspace, job, built, recomputed)
    return {
        "days": days,
        "tiles_seconds": round(min(tiles), 2),
        "raw_seconds": round(min(raw), 2),
        "times_raw": round(min(raw) / min(tiles), 1),
        "largest_difference": apart,
    }


def _open(home: str, url: str) -> Workspace:
    environment = {
        "NIGHTJAR_HOME": home,
        "NIGHTJAR_REDIS_URL": url,
        "NIGHTJAR_CLOCK": (JOB.cutoff(NIGHT) + timedelta(hours=1)).isoformat(),
    }
    return tasks.open_workspace(Settings.from_environment(environment))


def _prepare(workspace: Workspace, job: Job, entities: int, events: int) -> dict[str, Any]:
    """Land every day, build the features of the night before, and go as far in the night itself; its validation."""
    assert job.first_partition is not None
    before = NIGHT - timedelta(days=1)
    for age in range((NIGHT - job.first_partition).days, -1, -1):
        day = NIGHT - timedelta(days=age)
        _land(workspace, "events", day, make_events(events, entities, day))
    for day, customers in ((before, SMALL_POPULATION), (NIGHT, entities)):
        _land(workspace, "customers", day, make_customers(customers, day))
        _land(workspace, "outcomes", day, make_outcomes(SMALL_POPULATION, day))
    tasks.build_features(workspace, job, before.isoformat(), "before", _validate(workspace, job, before))
    return _validate(workspace, job, NIGHT)


def _land(workspace: Workspace, source: str, day: date, tables: list[Any]) -> None:
    workspace.deliveries.land(source, day, tables, datetime.combine(day, datetime.max.time(), UTC))


def _validate(workspace: Workspace, job: Job, day: date) -> dict[str, Any]:
    partition = day.isoformat()
    return tasks.validate(workspace, job, partition, "ahead", tasks.ingest(workspace, job, partition, "ahead"))


def _list_outputs(workspace: Workspace, job: Job) -> set[tuple[str, str]]:
    """Stage and address of every feature, tile and window there is."""
    stages = (STAGE, TILES, ROLLED)
    return {(stage, found.address) for stage in stages for found in workspace.outputs(job).find_all(stage)}


def _recompute(lake: Path, days: int) -> pd.DataFrame:
    customers, events = read_day(lake, "customers", NIGHT), read_events(lake, NIGHT, days)
    return build_features(customers, events, WINDOWS[days], load_feature_set(reach_back(days)))


def _compare(workspace: Workspace, job: Job, built: dict[str, Any], recomputed: pd.DataFrame) -> float:
    """The largest difference between any two numbers of the same entity, relative where they are above 1."""
    outputs = workspace.outputs(job)
    output = outputs.load(STAGE, built["output"])
    shards = [read_features(workspace, job, output, label) for label in output.shards(ROLE)]
    features = pd.concat(shards, ignore_index=True).set_index(job.entity_id).loc[recomputed.index]
    largest = 0.0
    for column in recomputed.columns:
        ours, theirs = features[column], recomputed[column]
        if ours.dtype.kind != "f":
            assert (ours.astype("str") == theirs.astype("str")).all(), column
            continue
        assert (ours.isna() == theirs.isna()).all(), column
        scale = np.maximum(1.0, theirs.abs())
        largest = max(largest, float(((ours - theirs).abs() / scale).max()))
    return largest


def _print_table(report: Report) -> None:
    title = f"Features of {report['entities']:,} entities, {report['events_a_day']:,} events a day"
    table = Table(title=title)
    for column in ("days of history", "tiles, s", "raw events, s", "times", "largest difference"):
        table.add_column(column, justify="right")
    for row in report["histories"]:
        seconds = (f"{row['tiles_seconds']:.2f}", f"{row['raw_seconds']:.2f}")
        table.add_row(str(row["days"]), *seconds, f"{row['times_raw']:.1f}", f"{row['largest_difference']:.1e}")
    console = Console()
    console.print(table)
    console.print(f"see {REPORT}")


if __name__ == "__main__":
    main()
