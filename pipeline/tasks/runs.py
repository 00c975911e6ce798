"""Run records: what every attempt to produce a partition did, stage by stage.

    jobs/<job>/runs/<partition>/<run>/<stage>.json
    jobs/<job>/runs/<partition>/<run>/attempts/<stage>-0001.json

A stage that is tried again in the same run replaces its own record.  An attempt that was overtaken, such as a task that
Airflow believed dead, leaves that of its successor as it is.  The record of every attempt stays beside it: one that was
killed says that it was begun, and no more.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pipeline.digests import digest_json
from pipeline.errors import NightjarError, NotReadyError
from pipeline.job import Job
from pipeline.stores.lake import Lake
from pipeline.tasks.concealing import conceal_rows
from pipeline.tasks.partitions import parse_partition
from pipeline.tasks.workspace import Workspace

SHADOWS = "score_shadows"
WATCH = "watch"
STAGES = ("ingest", "validate", "build_features", "score", "publish", SHADOWS, "approve", WATCH)
BESIDE_THE_NIGHT = (SHADOWS, WATCH)
"""Stages that nobody who waits for the predictions waits for, and that fail no night."""

MAX_FOLDER_NAME = 200
ATTEMPTS = "attempts"

Summary = dict[str, Any]


def record_stage(
    workspace: Workspace, job: Job, partition: str, run: str, stage: str, work: Callable[[], Summary]
) -> Summary:
    """Do the work of a stage, and leave a record of it whether it succeeds or fails.

    Returns:
        What ``work`` returned, with ``stage``, ``job``, ``partition``, ``run``, ``started_at`` (ISO 8601, UTC),
        ``attempt`` (how often the run has begun the stage) and ``seconds`` (wall time) added; small enough to travel
        between Airflow tasks.

    Raises:
        NightjarError: what the work raised, without what libraries said, which may quote rows.
        OSError: likewise, as it is.
    """
    record: Summary = {
        "stage": stage,
        "job": job.name,
        "partition": partition,
        "run": run,
        "started_at": workspace.wall_clock().isoformat(),
    }
    lake, folder = workspace.lake, _run_folder(job, partition, run)
    record = _begin_attempt(lake, folder, record)
    start = time.perf_counter()
    try:
        with conceal_rows(job.name, partition):
            record.update(work(), state="success")
    except NightjarError as error:
        record.update(state="failed", error=error.to_json())
        raise
    except BaseException as error:
        record.update(state="failed", error={"error": type(error).__name__})
        raise
    finally:
        record["seconds"] = round(time.perf_counter() - start, 3)
        record["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        lake.replace_json(_attempt_path(folder, stage, record["attempt"]), record)
        _put_record(lake, f"{folder}/{stage}.json", record)
    return record


def summarise_stage(job: Job, partition: str, run: str, stage: str, work: Callable[[], Summary]) -> Summary:
    """Do the work of a stage of a training, whose record is what it leaves in the lake, the ledger and MLflow.

    Returns:
        What ``work`` returned, with ``stage``, ``job``, ``partition``, ``run`` and ``seconds`` added.
    """
    start = time.perf_counter()
    with conceal_rows(job.name, partition):
        summary = work()
    seconds = round(time.perf_counter() - start, 3)
    return {"stage": stage, "job": job.name, "partition": partition, "run": run, "seconds": seconds, **summary}


def read_run(workspace: Workspace, job: Job, partition: str, run: str | None = None) -> Summary:
    """The records of a run, in the order of the stages; of the newest run of the partition unless one is named.

    Returns:
        ``run``, ``partition``, ``stages`` (records), ``accounting`` (row counts, empty until published).

    Raises:
        NotReadyError: no run of this partition left a record.
    """
    parse_partition(partition, job)
    runs = [run] if run is not None else [record["run"] for record in _newest_first(workspace, job, partition)]
    if not runs:
        raise NotReadyError(
            "no run of this partition left a record",
            job=job.name,
            partition=partition,
            expected=f"records under {workspace.lake.url(f'jobs/{job.name}/runs/{partition}')}",
            found="none",
            next_step=f"nightjar run {job.name} --partition {partition}",
        )
    folder = _run_folder(job, partition, runs[0])
    names = set(workspace.lake.list(folder))
    stages = [workspace.lake.read_json(f"{folder}/{stage}.json") for stage in STAGES if f"{stage}.json" in names]
    published: Summary = next((stage for stage in stages if stage["stage"] == "publish"), {})
    return {
        "run": runs[0],
        "partition": partition,
        "stages": stages,
        "accounting": published.get("accounting", {}),
    }


def find_newest_run(workspace: Workspace, job: Job) -> Summary | None:
    """The newest run of the newest partition that one was begun for, as :func:`read_run` has it; None before any."""
    partitions = workspace.lake.list(f"jobs/{job.name}/runs")
    return read_run(workspace, job, partitions[-1]) if partitions else None


def find_failure(run: Summary) -> Summary | None:
    """The record of the stage that a run failed at; None if none did."""
    return next((stage for stage in _list_failed(run) if stage["stage"] not in BESIDE_THE_NIGHT), None)


def list_shortfalls(run: Summary) -> list[Summary]:
    """The records of the stages that failed beside the night, and did not fail it."""
    return [stage for stage in _list_failed(run) if stage["stage"] in BESIDE_THE_NIGHT]


def read_timings(workspace: Workspace, job: Job, partition: str, run: str) -> dict[str, dict[str, Any]]:
    """When each finished stage of a run began and how many seconds it took, by stage."""
    folder = _run_folder(job, partition, run)
    names = set(workspace.lake.list(folder))
    records = [workspace.lake.read_json(f"{folder}/{stage}.json") for stage in STAGES if f"{stage}.json" in names]
    return {
        record["stage"]: {"started_at": record["started_at"], "seconds": record["seconds"]}
        for record in records
        if record["state"] == "success"
    }


def _list_failed(run: Summary) -> list[Summary]:
    return [stage for stage in run["stages"] if stage["state"] == "failed"]


def _begin_attempt(lake: Lake, folder: str, record: Summary) -> Summary:
    """The record with ``attempt``, the next number that nobody has taken."""
    begun = [name for name in lake.list(f"{folder}/{ATTEMPTS}") if name.rpartition("-")[0] == record["stage"]]
    attempt = len(begun) + 1
    while not lake.put_json_if_absent(
        _attempt_path(folder, record["stage"], attempt), {**record, "attempt": attempt, "state": "begun"}
    ):
        attempt += 1
    return {**record, "attempt": attempt}


def _attempt_path(folder: str, stage: str, attempt: int) -> str:
    return f"{folder}/{ATTEMPTS}/{stage}-{attempt:04d}.json"


def _put_record(lake: Lake, path: str, record: Summary) -> None:
    """Replace what an earlier attempt left; a later one that ended sooner has overtaken this one."""
    try:
        if lake.read_json(path)["started_at"] > record["started_at"]:
            return
    except FileNotFoundError:
        pass  # nobody was here before
    lake.replace_json(path, record)


def _newest_first(workspace: Workspace, job: Job, partition: str) -> list[Summary]:
    """The newest record of every run of the partition, newest first."""
    folder = f"jobs/{job.name}/runs/{partition}"
    records = [
        workspace.lake.read_json(f"{folder}/{run}/{name}")
        for run in workspace.lake.list(folder)
        for name in workspace.lake.list(f"{folder}/{run}")
        if name != ATTEMPTS
    ]
    return sorted(records, key=lambda record: str(record["started_at"]), reverse=True)


def _run_folder(job: Job, partition: str, run: str) -> str:
    return f"jobs/{job.name}/runs/{partition}/{_folder_name(run)}"


def _folder_name(run: str) -> str:
    """A name that every file system takes, another one for every run: no ``..``, nothing hidden, not too long."""
    name = quote(run, safe="")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    return name if 0 < len(name) <= MAX_FOLDER_NAME else f"{name[:100]}~{digest_json(run)}"
