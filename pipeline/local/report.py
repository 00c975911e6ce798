"""What the demo reports: gathered from the lake and Redis, checked, printed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import redis
from rich.console import Console
from rich.table import Table

from pipeline import keyspace, tasks
from pipeline.errors import DamagedError
from pipeline.job import Job
from pipeline.redis_url import open_client
from pipeline.serving import Reader
from pipeline.tasks import Workspace

SAMPLES = 3
ACCOUNTS = ("received", "quarantined", "scored", "published", "read_back")


def gather_report(workspace: Workspace, job: Job, partitions: Sequence[str]) -> dict[str, Any]:
    """Everything the demo shows, as a JSON object.

    Returns:
        ``job``; ``nights``, each with ``partition``, ``stages``, ``accounting`` and ``grade``; ``live``, the header of
        the generation that readers see; ``samples``, predictions as the reader and plain Redis commands give them.
    """
    nights = [
        {**tasks.read_run(workspace, job, partition), "grade": tasks.grade(workspace, job, partition)}
        for partition in partitions
    ]
    url = workspace.settings.url_for_reading
    with open_client(url, decode_responses=True) as client, closing(Reader(url, job.name)) as reader:
        live = json.loads(_command(client, "HGET", keyspace.live_key(job.name), "header"))
        samples = list(_read_samples(client, reader, live))
    return {"job": job.name, "nights": nights, "live": live, "samples": samples}


def check_report(report: Mapping[str, Any]) -> None:
    """See whether every night's rows add up and both ways of reading agree.

    Raises:
        DamagedError: something does not; the message says what.
    """
    for night in report["nights"]:
        rows = {name: night["accounting"].get(name) for name in ACCOUNTS}
        if None in rows.values() or rows["received"] != rows["quarantined"] + rows["scored"] or not rows["scored"]:
            raise _damaged(report, night["partition"], "received = quarantined + scored, and some are scored", rows)
        if not rows["scored"] == rows["published"] == rows["read_back"]:
            raise _damaged(report, night["partition"], "scored = published = read back", rows)
    newest = max(night["partition"] for night in report["nights"])
    if report["live"]["partition"] < newest:
        raise _damaged(report, newest, f"the live generation is of {newest} or later", report["live"]["partition"])
    if not report["samples"]:
        raise _damaged(report, newest, "predictions are read back", "none")
    for sample in report["samples"]:
        if sample["reader"] != sample["plain"]:
            raise _damaged(report, newest, f"the reader gives what Redis holds, {sample['plain']}", sample["reader"])


def print_report(console: Console, report: Mapping[str, Any]) -> None:
    """Print the report as tables."""
    for table in (_stages(report), _accounting(report), _grades(report), _live(report["live"])):
        console.print(table)
    console.print(_samples(report["samples"]))
    console.print("The same without any library, such as in redis-cli:")
    for command, answer in report["samples"][0]["commands"]:
        console.print(f"  {command}\n    [dim]{answer}", highlight=False, soft_wrap=True)


def _read_samples(client: redis.Redis, reader: Reader, live: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    job, generation = live["job"], live["generation"]
    for bucket in range(min(SAMPLES, live["buckets"])):
        entity_id = min(_command(client, "HGETALL", keyspace.bucket_key(job, generation, bucket)))
        prediction = reader.get(entity_id)
        look_up = (
            "HGET",
            keyspace.bucket_key(job, generation, keyspace.bucket_of(entity_id, live["buckets"])),
            entity_id,
        )
        plain = _command(client, *look_up)
        yield {
            "entity_id": entity_id,
            "reader": prediction.value,
            "model_version": prediction.model_version,
            "partition": prediction.partition,
            "plain": json.loads(plain),
            "commands": [
                [f"HGET {keyspace.live_key(job)} generation", generation],
                [f"crc32({entity_id}) mod {live['buckets']}", str(keyspace.bucket_of(entity_id, live["buckets"]))],
                [" ".join(look_up), plain],
            ],
        }


def _command(client: redis.Redis, *words: str) -> Any:
    return client.execute_command(*words)  # type: ignore[no-untyped-call]


def _stages(report: Mapping[str, Any]) -> Table:
    table = Table(title="Stages", title_justify="left")
    for name in ("night", "stage", "rows"):
        table.add_column(name, justify="right" if name == "rows" else "left")
    table.add_column("seconds", justify="right")
    table.add_column("peak MiB", justify="right")
    for night in report["nights"]:
        for number, stage in enumerate(night["stages"]):
            partition = night["partition"] if number == 0 else ""
            table.add_row(
                partition,
                stage["stage"],
                _count(stage.get("rows")),
                f"{stage['seconds']:.1f}",
                str(stage["peak_memory_mib"]),
            )
        table.add_section()
    return table


def _accounting(report: Mapping[str, Any]) -> Table:
    title = "Rows: received = quarantined + scored, scored = published = read back"
    table = Table("night", title=title, title_justify="left")
    for name in ACCOUNTS:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("bytes each", justify="right")
    for night in report["nights"]:
        published = next(stage for stage in night["stages"] if stage["stage"] == "publish")
        counts = (f"{night['accounting'][name]:,}" for name in ACCOUNTS)
        table.add_row(night["partition"], *counts, f"{published['bytes_per_prediction']:.0f}")
    return table


def _grades(report: Mapping[str, Any]) -> Table:
    table = Table("night", title="What was served against what then happened", title_justify="left")
    for name in ("labels", "AUC", "log loss", "Brier score"):
        table.add_column(name, justify="right")
    for night in report["nights"]:
        grade = night["grade"]
        scores = (f"{grade[name]:.4f}" for name in ("auc", "log_loss", "brier"))
        table.add_row(night["partition"], f"{grade['rows']:,.0f}", *scores)
    return table


def _live(header: Mapping[str, Any]) -> Table:
    table = Table("generation", "partition", "model", "feature set", title="Live", title_justify="left")
    table.add_column("rows", justify="right")
    table.add_column("cutoff")
    names = ("generation", "partition", "model_version")
    feature_set = str(header["feature_set"])[:12]  # a digest, of which the beginning tells enough
    table.add_row(*(str(header[name]) for name in names), feature_set, f"{header['rows']:,}", str(header["cutoff"]))
    return table


def _samples(samples: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("entity id", title="Predictions", title_justify="left")
    for name in ("reader", "Redis"):
        table.add_column(name, justify="right")
    table.add_column("model")
    for sample in samples:
        table.add_row(sample["entity_id"], str(sample["reader"]), str(sample["plain"]), sample["model_version"])
    return table


def _count(rows: Any) -> str:
    """A number of rows, or the sum over what is counted by name."""
    if isinstance(rows, Mapping):
        rows = sum(rows.values())
    return "" if rows is None else f"{rows:,}"


def _damaged(report: Mapping[str, Any], partition: str, expected: str, found: Any) -> DamagedError:
    return DamagedError(
        "the night did not do its work", job=report["job"], partition=partition, expected=expected, found=str(found)
    )
