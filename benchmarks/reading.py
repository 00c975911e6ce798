"""How long a read takes, idle and while a generation is published.

``python -m benchmarks.reading --rows 1000000 [--json]`` starts a Redis of its own, publishes ``--rows`` predictions,
and times reads of 1 and of 100 entities picked at random, one after the other over one connection to loopback:

* ``reader``: :class:`pipeline.serving.Reader`;
* ``async_reader``: :class:`pipeline.serving.AsyncReader`;
* ``limit``: a bare redis-py client that knows keys and fields before the clock starts, and decodes no JSON.

``publishing`` is the same while another process loads, reads back, flips and prunes generations of as many rows without
a pause.  The result goes to ``reports/bench-reading.json``; times are in microseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.predictions import JOB, make_predictions, publish_generation, split
from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline.keyspace import bucket_key, bucket_of
from pipeline.serving import AsyncReader, Reader
from pipeline.stores.predictions import PredictionStore
from trials.redis_process import start_redis

REPORT = Path("reports/bench-reading.json")
PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9}
WHO = {"reader": "Reader", "async_reader": "AsyncReader", "limit": "limit: bare redis-py"}
SIZES = (1, 100)
WHEN = ("idle", "publishing")

Picks = list[list[str]]


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    with start_redis() as url:
        ids, scores = make_predictions(arguments.rows)
        names, shards = ids.to_pylist(), split(ids, scores)
        _publish(url, shards)
        idle = _measure_all(url, names, arguments.reads)
        with _publishing(url, shards) as count_generations:
            publishing = _measure_all(url, names, arguments.reads)
            generations = count_generations()
        report = {
            "command": describe_command("benchmarks.reading"),
            "rows": arguments.rows,
            "reads": arguments.reads,
            "generations_published_meanwhile": generations,
            "microseconds": {"idle": idle, "publishing": publishing},
            "machine": describe_machine(),
            "versions": describe_versions(url),
        }
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=10_000, help="timed reads of each kind")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def _publish(url: str, shards: list[pa.Table]) -> None:
    store = PredictionStore(url, lambda: datetime.now(UTC))
    publish_generation(store, shards)
    store.close()


@contextmanager
def _publishing(url: str, shards: list[pa.Table]) -> Iterator[Callable[[], int]]:
    """Another process publishes without a pause; yields how many generations it has made live."""
    context = multiprocessing.get_context("fork")
    done, count = context.Event(), context.Value("i", 0)
    process = context.Process(target=_publish_until, args=(url, shards, done, count))
    process.start()
    try:
        yield lambda: int(count.value)
    finally:
        done.set()
        process.join()


def _publish_until(url: str, shards: list[pa.Table], done: Event, count: Any) -> None:
    # What retired ten minutes ago may go: an hour's clock lets go of it at once, so that memory does not grow.
    janitor = PredictionStore(url, lambda: datetime.now(UTC) + timedelta(minutes=20))
    while not done.is_set():
        _publish(url, shards)
        janitor.prune(JOB, keep=1)
        count.value += 1


def _measure_all(url: str, names: list[str], reads: int) -> dict[str, dict[str, dict[str, int]]]:
    """Percentiles by who reads and how many entities at once; in turns, so that neighbours on the machine hit all."""
    seconds: dict[str, dict[str, list[float]]] = {who: {str(size): [] for size in SIZES} for who in WHO}
    measures = {"reader": _time_reader, "async_reader": _time_async_reader, "limit": _time_limit}
    for turn in range(10):
        for size in SIZES:
            chooser = random.Random(turn)  # noqa: S311 - which entities are read is no secret
            picks = [chooser.sample(names, size) for _ in range(reads // 10)]
            for who, measure in measures.items():
                seconds[who][str(size)] += measure(url, picks)
    return {who: {size: _summarise(taken) for size, taken in by_size.items()} for who, by_size in seconds.items()}


def _summarise(seconds: list[float]) -> dict[str, int]:
    return {name: round(float(np.percentile(seconds, share)) * 1e6) for name, share in PERCENTILES.items()}


def _time_reader(url: str, picks: Picks) -> list[float]:
    reader = Reader(url, JOB)
    reader.get_many(picks[0])
    seconds = []
    for names in picks:
        started = time.perf_counter()
        reader.get_many(names)
        seconds.append(time.perf_counter() - started)
    reader.close()
    return seconds


def _time_async_reader(url: str, picks: Picks) -> list[float]:
    async def measure() -> list[float]:
        reader = AsyncReader(url, JOB)
        await reader.get_many(picks[0])
        seconds = []
        for names in picks:
            started = time.perf_counter()
            await reader.get_many(names)
            seconds.append(time.perf_counter() - started)
        await reader.close()
        return seconds

    return asyncio.run(measure())


def _time_limit(url: str, picks: Picks) -> list[float]:
    reader = Reader(url, JOB)
    header = reader.status().header
    reader.close()
    keys = [[bucket_key(JOB, header.generation, bucket_of(name, header.buckets)) for name in names] for names in picks]
    seconds = []
    with redis.Redis.from_url(url) as client:
        client.ping()
        for names, buckets in zip(picks, keys, strict=True):
            started = time.perf_counter()
            if len(names) == 1:
                client.hget(buckets[0], names[0])
            else:
                with client.pipeline(transaction=False) as pipeline:
                    for name, bucket in zip(names, buckets, strict=True):
                        pipeline.hget(bucket, name)
                    pipeline.execute()
            seconds.append(time.perf_counter() - started)
    return seconds


def _print_table(report: Report) -> None:
    table = Table(title=f"microseconds a read, {report['rows']:,} predictions, {report['reads']:,} reads of each kind")
    for column in ("read by", "keys", *(f"{when}\n{name}" for when in WHEN for name in PERCENTILES)):
        table.add_column(column, justify="left" if column == "read by" else "right")
    for size in SIZES:
        for who, label in WHO.items():
            found = [report["microseconds"][when][who][str(size)] for when in WHEN]
            table.add_row(label, str(size), *(f"{cell[name]:,}" for cell in found for name in PERCENTILES))
    console = Console() if sys.stdout.isatty() else Console(width=110)
    console.print(table)
    generations = report["generations_published_meanwhile"]
    console.print(f"{generations} generations were made live meanwhile; see {REPORT}")


if __name__ == "__main__":
    main()
