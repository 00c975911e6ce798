"""Operations: what the run of a release took, by its records, and what reading the release takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.errors import UnavailableError
from pipeline.job import Job
from pipeline.monitoring import Observed, Operations, Signal, StageCost
from pipeline.stages.monitor.operations import judge_operations
from pipeline.stores.stage_outputs import Output
from pipeline.tasks.monitoring.probing import probe_reads
from pipeline.tasks.runs import BESIDE_THE_NIGHT, Summary, read_run
from pipeline.tasks.workspace import Workspace

_MIB = 2**20


@dataclass(frozen=True)
class OperationsSeen:
    """How the run of a release went, and the signals of it."""

    operations: Operations
    signals: tuple[Signal, ...]


def observe_operations(
    workspace: Workspace,
    job: Job,
    manifest: Mapping[str, Any],
    scored: Output,
    past: Sequence[Observed],
    *,
    went_live: bool,
) -> OperationsSeen:
    """What the run of a release took.

    Args:
        manifest: of the release.
        scored: its predictions.
        past: the nights before it, oldest first.
    """
    partition = manifest["partition"]
    records = [
        record
        for record in read_run(workspace, job, partition, manifest["run"])["stages"]
        if record["stage"] not in BESIDE_THE_NIGHT
    ]
    stages = tuple(_describe_cost(record) for record in records)
    operations = Operations(
        stages=stages,
        seconds=round(sum(stage.seconds for stage in stages), 3),
        quarantine={name: source["reasons"] for name, source in manifest["sources"].items()},
        quarantined={name: source["quarantined"] for name, source in manifest["sources"].items()},
        received={name: source["received"] for name, source in manifest["sources"].items()},
        age_seconds=_find_age(workspace, job),
        bytes_per_prediction=manifest["bytes_per_prediction"],
        reads=probe_reads(workspace, job, scored, manifest["generation"], None if went_live else partition),
        computed=all(record.get("computed", True) for record in records),
    )
    usual = [night.operations for night in past]
    return OperationsSeen(operations, judge_operations(operations, usual, job.monitoring))


def _describe_cost(record: Summary) -> StageCost:
    return StageCost(
        stage=record["stage"],
        seconds=record["seconds"],
        rows=record.get("rows"),
        peak_memory_bytes=record["peak_memory_mib"] * _MIB,
        attempts=record.get("attempt", 1),  # older records tell of the last one alone
    )


def _find_age(workspace: Workspace, job: Job) -> float | None:
    """Seconds since the cutoff of what is live; None if Redis does not say, of which the probe tells as well."""
    try:
        live = workspace.predictions.live(job.name)
    except UnavailableError:
        return None
    now: datetime = workspace.clock()
    return None if live is None else (now - live.header.cutoff).total_seconds()
