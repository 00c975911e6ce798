"""How fast predictions get into Redis, and what they cost there.

``python -m benchmarks.publish --rows 1000000 [10000000] [--json]`` starts a Redis of its own and measures, in one run:

* ``nightjar``: encode, send, read all of it back, compare, seal and flip, as a night does;
* ``redis_py_set``: a redis-py pipeline that SETs one JSON document an entity, as scripts mostly do, and checks nothing;
* ``redis_py_hset``: the same with a hash an entity;
* ``redis_cli_pipe``: ``redis-cli --pipe`` over a file of commands that was written before;
* ``feast``: Feast's ``materialize`` to Redis, with what it keeps beside a score, of 200,000 of the predictions
  (``make bench`` makes its environment);
* ``limit``: ready-made ``HSET`` commands of buckets down a bare socket: what this Redis takes at best.

Bytes a prediction are what ``used_memory`` grew by.  The result goes to ``reports/bench-publish.json``.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis
from rich.console import Console
from rich.table import Table

from benchmarks.peers.redis_cli import pipe_sets
from benchmarks.peers.redis_py import set_hashes, set_json
from benchmarks.predictions import JOB, SHARDS, make_predictions, publish_generation, split
from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline.keyspace import bucket_key, choose_buckets
from pipeline.stores.predictions import PredictionStore
from pipeline.stores.predictions.encoding import Rows, encode
from trials.redis_process import start_redis

REPORT = Path("reports/bench-publish.json")
FEAST = Path(".feast/bin/python")
RUNS = 3
"""Each on an empty Redis; the best counts, so that neighbours on the machine count for less.

What takes tens of seconds a run runs once.
"""

HOW = {
    "nightjar": "nightjar: encode, send, read all back, flip",
    "redis_py_set": "redis-py pipeline, SET of JSON, unchecked",
    "redis_py_hset": "redis-py pipeline, HSET, unchecked",
    "redis_cli_pipe": "redis-cli --pipe, SET, ready-made, unchecked",
    "feast": "Feast materialize, unchecked",
    "limit": "limit: ready-made HSET of buckets, unchecked",
}


def main() -> None:
    """Measure, print and write the report."""
    arguments = _parse_arguments()
    report: Report = {"command": describe_command("benchmarks.publish"), "machine": describe_machine(), "sizes": []}
    with _start_redis() as (path, tcp):
        report["versions"] = describe_versions(f"unix://{path}")
        for rows in arguments.rows:
            report["sizes"].append(_measure_size(path, tcp, rows, min(rows, arguments.feast_rows)))
    finish(report, REPORT, as_json=arguments.json, print_table=_print_table)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument(
        "--feast-rows", type=int, default=200_000, help="rows that Feast is measured with at the most; 0: not at all"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


def _measure_size(path: str, tcp: str, rows: int, feast_rows: int) -> Report:
    ids, scores = make_predictions(rows)
    url = f"unix://{path}"
    size: Report = {"rows": rows, "entity_id_bytes": len(ids[0].as_py())}
    size["nightjar"] = _measure(url, rows, _publish_with_nightjar(url, split(ids, scores)))
    size["nightjar"]["encodings"] = _count_encodings(url)
    size["redis_py_set"] = _measure(url, rows, set_json(url, ids, scores), runs=1)
    size["redis_py_hset"] = _measure(url, rows, set_hashes(url, ids, scores), runs=1)
    with pipe_sets(path, ids, scores) as publish:
        size["redis_cli_pipe"] = _measure(url, rows, publish)
    if feast_rows:
        size["feast"] = _measure_feast(tcp, ids.slice(0, feast_rows), scores[:feast_rows])
    size["limit"] = _measure(url, rows, _send_ready_made(path, _write_buckets(ids, scores)))
    own = size["nightjar"]["predictions_per_second"]
    size["times"] = {how: round(own / size[how]["predictions_per_second"], 2) for how in HOW if how in size}
    return size


def _measure(url: str, rows: int, publish: Callable[[], float], *, runs: int = RUNS) -> Report:
    with redis.Redis.from_url(url, socket_timeout=None) as client:  # ten million keys are not flushed in 5 seconds
        seconds, grown = [], 0
        for _ in range(runs):
            client.flushall()
            before = client.info("memory")["used_memory"]
            seconds.append(publish())
            grown = client.info("memory")["used_memory"] - before
    return _describe(rows, min(seconds), grown)


def _describe(rows: int, seconds: float, grown: int) -> Report:
    return {
        "predictions_per_second": round(rows / seconds),
        "bytes_per_prediction": round(grown / rows, 1),
        "seconds": round(seconds, 3),
    }


def _publish_with_nightjar(url: str, shards: list[pa.Table]) -> Callable[[], float]:
    def publish() -> float:
        store = PredictionStore(url, lambda: datetime.now(UTC))
        started = time.perf_counter()
        publish_generation(store, shards)
        seconds = time.perf_counter() - started
        store.close()
        return seconds

    return publish


def _count_encodings(url: str) -> dict[str, int]:
    """In how many buckets of what is live Redis keeps each encoding."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        generation = client.hget(f"nightjar:{{{JOB}}}:live", "generation")
        keys = list(client.scan_iter(f"nightjar:{JOB}:{generation}:*", count=10_000))
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.object("ENCODING", key)
        found: Sequence[str] = pipeline.execute()
    return {encoding: found.count(encoding) for encoding in sorted(set(found))}


def _measure_feast(tcp: str, ids: pa.StringArray, scores: np.ndarray) -> Report:
    if not FEAST.exists():
        raise SystemExit("there is no environment of Feast: scripts/feast_environment makes it, or say --feast-rows 0")
    now = pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC"))
    table = pa.table({"entity_id": ids, "score": scores})
    table = table.append_column("model_version", pa.repeat("1", len(ids))).append_column(
        "scored_at", pa.repeat(now, len(ids))
    )
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, f"{folder}/predictions.parquet")
        program = Path(__file__).parent / "peers" / "feast_store.py"
        command = [str(FEAST), str(program), f"{folder}/predictions.parquet", folder, tcp]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["keys"] == len(ids), measured
    return _describe(len(ids), measured["seconds"], measured["bytes"])


def _write_buckets(ids: pa.StringArray, scores: np.ndarray) -> bytes:
    """Commands for buckets of the size that Nightjar chooses, and a PING whose answer tells the end."""
    rows = Rows.from_table(pa.table({"entity_id": ids, "score": scores}))
    payload = bytearray()
    for chunk in encode(rows, choose_buckets(len(ids), SHARDS) or 1, None):
        for bucket, count, body in chunk.bodies():
            key = bucket_key("limit", "1-0000", bucket).encode()
            payload += b"*%d\r\n$4\r\nHSET\r\n$%d\r\n%b\r\n" % (2 + 2 * count, len(key), key)
            payload += body
    return bytes(payload + b"*1\r\n$4\r\nPING\r\n")


def _send_ready_made(path: str, payload: bytes) -> Callable[[], float]:
    def publish() -> float:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            started = time.perf_counter()
            sender = threading.Thread(target=connection.sendall, args=(payload,))
            sender.start()
            end = b""
            while not end.endswith(b"+PONG\r\n"):
                end = (end + connection.recv(1 << 18))[-16:]
            sender.join()
            return time.perf_counter() - started

    return publish


@contextmanager
def _start_redis() -> Iterator[tuple[str, str]]:
    """A Redis of our own: its unix socket, and its host and port."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis.sock"
        with start_redis("--unixsocket", path) as url:
            yield path, url.removeprefix("redis://").partition("/")[0]


def _print_table(report: Report) -> None:
    console = Console()
    for size in report["sizes"]:
        table = Table(title=f"{size['rows']:,} predictions with ids of {size['entity_id_bytes']} characters")
        for column in ("how", "predictions/s", "bytes each", "nightjar is faster"):
            table.add_column(column, justify="left" if column == "how" else "right")
        for how, label in HOW.items():
            if how in size:
                speed, memory = size[how]["predictions_per_second"], size[how]["bytes_per_prediction"]
                table.add_row(label, f"{speed:,}", f"{memory:.1f}", f"{size['times'][how]:.2f} times")
        console.print(table)
        console.print(f"buckets by encoding: {size['nightjar']['encodings']}")
    console.print(f"see {REPORT}")


if __name__ == "__main__":
    main()
