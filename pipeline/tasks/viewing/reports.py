"""The report of a night: what its page shows, for somebody who has no login."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pipeline.errors import NotReadyError
from pipeline.job import Job
from pipeline.monitoring import Observed
from pipeline.stores.night_reports import NightReports
from pipeline.tasks.partitions import parse_partition
from pipeline.tasks.viewing.jobs import describe_job
from pipeline.tasks.viewing.nights import view_night
from pipeline.tasks.viewing.series import condense_graded, condense_observed, lay_out
from pipeline.tasks.workspace import Workspace

TREND_NIGHTS = 60


def write_night_report(workspace: Workspace, job: Job, partition: str) -> str:
    """Write the report of a watched night over an earlier one; its path in the lake.

    Raises:
        BadInputError: ``partition`` is no date.
        NotReadyError: the night was not watched.
    """
    night = view_night(workspace, job, partition)
    if night["observed"] is None:
        raise NotReadyError(
            "the night was not watched, so there is nothing to report",
            job=job.name,
            partition=partition,
            expected="a record of a night that was published",
            found="records of stages alone",
            next_step=f"see what became of it: nightjar status {job.name}",
        )
    observed, graded = night["observed"], night["graded"]
    signals = _list_signals(observed, graded)
    document = {
        **night,
        "job": describe_job(job),
        "signals": signals,
        "unusual": sum(signal["breached"] and signal["muted"] is None for signal in signals),
        "trends": _gather_trends(workspace, job, partition),
        "nights": TREND_NIGHTS,
        "drift": observed["drift"],
        "quarantine": _list_quarantine(observed["operations"]["quarantine"]),
    }
    return NightReports(workspace.lake, job.name).write(partition, document)


def _list_signals(observed: Mapping[str, Any], graded: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Signals of a night, those of its grading in the place of what was known before."""
    named = {signal["name"]: signal for signal in (*observed["signals"], *(graded or {}).get("signals", ()))}
    return [{**signal, "monitor": name.partition(".")[0]} for name, signal in named.items()]


def _gather_trends(workspace: Workspace, job: Job, partition: str) -> dict[str, Any]:
    records = workspace.monitoring(job)
    first = (parse_partition(partition, job) - timedelta(days=TREND_NIGHTS - 1)).isoformat()
    observed: list[Observed] = records.observed(first, partition)
    graded = records.graded(first, partition)
    signals: dict[str, Any] = lay_out([*map(condense_observed, observed)], [*map(condense_graded, graded)])["signals"]
    return signals


def _list_quarantine(quarantine: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, int]]:
    found = [(source, reason, rows) for source, reasons in quarantine.items() for reason, rows in reasons.items()]
    return sorted(found, key=lambda item: (-item[2], item[0], item[1]))
