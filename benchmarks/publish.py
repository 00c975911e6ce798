"""How fast predictions get into Redis, and what they cost there.

``python -m benchmarks.publish --rows 1000000 [--json]`` starts a Redis of its own and measures, in one run:

* ``nightjar``: encode, send, read all of it back, compare, seal and flip, as a night does;
* ``redis_py_set``: a redis-py pipeline that SETs one JSON document an entity, as scripts mostly do, and checks nothing;
* ``limit``: ready-made ``HSET`` commands down a bare socket: what this Redis takes at best.

Bytes a prediction are what ``used_memory`` grew by.  The result goes to ``reports/bench-publish.json``.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.predictions import SHARDS, make_predictions, publish_generation, split
from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline.keyspace import bucket_key, choose_buckets
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.encoding import Rows, encode
from trials.redis_process import start_redis

REPORT = Path("reports/bench-publish.json")


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    ids, scores = make_predictions(arguments.rows)
    report: Report = {
        "command": describe_command("benchmarks.publish"),
        "rows": arguments.rows,
        "entity_id_bytes": len(ids[0].as_py()),
    }
    with _start_redis() as url:
        report |= {
            "redis_py_set": _measure(url, arguments.rows, lambda: _publish_with_redis_py(url, ids, scores)),
            "limit": _measure_limit(url, ids, scores),
            "nightjar": _measure(url, arguments.rows, lambda: _publish_with_nightjar(url, split(ids, scores))),
            "machine": describe_machine(),
            "versions": describe_versions(url),
        }
    report["nightjar"]["times_redis_py_set"] = round(
        report["nightjar"]["predictions_per_second"] / report["redis_py_set"]["predictions_per_second"], 1
    )
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def _publish_with_nightjar(url: str, shards: list[pa.Table]) -> Callable[[], float]:
    def publish() -> float:
        store = PredictionStore(url, lambda: datetime.now(UTC))
        started = time.perf_counter()
        publish_generation(store, shards)
        seconds = time.perf_counter() - started
        store.close()
        return seconds

    return publish


def _publish_with_redis_py(url: str, ids: pa.StringArray, scores: np.ndarray) -> Callable[[], float]:
    names, values = ids.to_pylist(), scores.tolist()

    def publish() -> float:
        client = redis.Redis.from_url(url)
        started = time.perf_counter()
        for first in range(0, len(names), 10_000):
            pipeline = client.pipeline(transaction=False)
            for name, value in zip(names[first : first + 10_000], values[first : first + 10_000], strict=True):
                pipeline.set(f"bench:predictions:{name}", json.dumps({"score": value, "model_version": "1"}))
            pipeline.execute()
        return time.perf_counter() - started

    return publish


def _measure_limit(url: str, ids: pa.StringArray, scores: np.ndarray) -> dict[str, float]:
    buckets = choose_buckets(len(ids), SHARDS) or 1
    rows = Rows.from_table(pa.table({"entity_id": ids, "score": scores}))
    payload = bytearray()
    for chunk in encode(rows, buckets, None):
        for bucket, count, body in chunk.bodies():
            key = bucket_key("limit", "1-0000", bucket).encode()
            payload += b"*%d\r\n$4\r\nHSET\r\n$%d\r\n%b\r\n" % (2 + 2 * count, len(key), key)
            payload += body
    return _measure(url, len(ids), lambda: lambda: _send_ready_made(url, payload))


def _send_ready_made(url: str, payload: bytearray) -> float:
    path = redis.Redis.from_url(url).connection_pool.connection_kwargs["path"]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        started = time.perf_counter()
        sender = threading.Thread(target=connection.sendall, args=(payload + b"*1\r\n$4\r\nPING\r\n",))
        sender.start()
        end = b""
        while not end.endswith(b"+PONG\r\n"):
            end = (end + connection.recv(1 << 18))[-16:]
        sender.join()
        return time.perf_counter() - started


def _measure(url: str, rows: int, prepare: Callable[[], Callable[[], float]]) -> dict[str, float]:
    """Best of three runs, each on an empty Redis, so that neighbours on the machine count for less."""
    publish = prepare()
    client = redis.Redis.from_url(url)
    seconds, grown = [], 0
    for _ in range(3):
        client.flushall()
        before = client.info("memory")["used_memory"]
        seconds.append(publish())
        grown = client.info("memory")["used_memory"] - before
    client.close()
    return {
        "predictions_per_second": round(rows / min(seconds)),
        "bytes_per_prediction": round(grown / rows, 1),
        "seconds": round(min(seconds), 3),
    }


@contextmanager
def _start_redis() -> Iterator[str]:
    """A Redis of our own, by its unix socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis.sock"
        with start_redis("--unixsocket", path):
            yield f"unix://{path}"


def _print_table(report: Report) -> None:
    table = Table(title=f"{report['rows']:,} predictions with ids of {report['entity_id_bytes']} characters")
    for column in ("how", "predictions/s", "bytes each"):
        table.add_column(column, justify="left" if column == "how" else "right")
    names = {
        "redis_py_set": "redis-py pipeline, SET of JSON, unchecked",
        "nightjar": "nightjar: encode, send, read all back, flip",
        "limit": "limit: ready-made HSET, unchecked",
    }
    for name, label in names.items():
        result = report[name]
        table.add_row(label, f"{result['predictions_per_second']:,}", f"{result['bytes_per_prediction']:.1f}")
    console = Console()
    console.print(table)
    console.print(f"nightjar is {report['nightjar']['times_redis_py_set']} times as fast as redis-py; see {REPORT}")


if __name__ == "__main__":
    main()
