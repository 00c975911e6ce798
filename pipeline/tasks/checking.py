"""`nightjar check`: whether what is served is well, from the lake and Redis alone, so also when Airflow is down."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC
from functools import cache, partial
from typing import Any, Literal

from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.stores.alarms import AlarmEvent, list_open
from pipeline.tasks.alerting import tell_alarms, tell_without_lake
from pipeline.tasks.clocks import MovedClock
from pipeline.tasks.findings import (
    AGAIN_AFTER,
    Finding,
    look_at_age,
    look_at_alarms,
    look_at_lake,
    look_at_live,
    look_at_night,
    look_at_run,
)
from pipeline.tasks.workspace import Workspace


def check_jobs(
    workspace: Workspace,
    jobs: Sequence[Job],
    *,
    tell: bool = False,
    named: bool = True,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Look at every part of every job; one that cannot be looked at hides no other.

    Args:
        tell: raise and resolve the alarms of what is found, and tell people what they were not told yet.
        named: the jobs were asked for by name, so that one which never released anything is not well either.
        wait: for so many seconds; once for all jobs, where Redis does not answer and is asked again.

    Returns:
        ``at`` (ISO 8601), ``clock_moved``, ``fine``, and by the name of the job ``fine``, ``findings`` and, if people
        were to be told, ``told`` (ids of alerts).
    """
    pause = cache(partial(wait, AGAIN_AFTER.total_seconds()))
    checked = {job.name: _check_job(workspace, job, pause, tell=tell, named=named) for job in jobs}
    return {
        "at": workspace.clock().astimezone(UTC).isoformat(timespec="seconds"),
        "clock_moved": isinstance(workspace.clock, MovedClock),
        "fine": all(job["fine"] for job in checked.values()),
        "jobs": checked,
    }


def _check_job(workspace: Workspace, job: Job, pause: Callable[[], None], *, tell: bool, named: bool) -> dict[str, Any]:
    findings = find_all(workspace, job, pause)
    if not named and _never_released(findings):
        return {"fine": True, "findings": [findings[1].to_json()]}
    fine = all(finding.state == "fine" for finding in findings)
    report: dict[str, Any] = {"fine": fine, "findings": [finding.to_json() for finding in findings]}
    if tell:
        report["told"] = _tell(workspace, job, findings)
    return report


def find_all(workspace: Workspace, job: Job, pause: Callable[[], None]) -> list[Finding]:
    """Every part of the job: lake, live, age, night, run, alarms."""
    now = workspace.clock()
    lake, releases = look_at_lake(workspace, job)
    live, header = look_at_live(workspace, job, releases, pause)
    if releases == [] and live.state == "fine":
        lake = Finding("lake", "wrong", f"it knows nothing of what is live: is {workspace.lake.root} the right one?")
    night, run = look_at_night(job, releases, now), look_at_run(workspace, job)
    if night.state == run.state == "wrong":
        night = replace(night, says=f"{night.says}; {run.says}")
    return [lake, live, look_at_age(job, header, now), night, run, look_at_alarms(workspace, job)]


def _never_released(findings: Sequence[Finding]) -> bool:
    lake, live, *_ = findings
    return lake.state == "fine" and live.state == "unknown"


def _tell(workspace: Workspace, job: Job, findings: Sequence[Finding]) -> list[str]:
    """Ids of the alerts that were told now."""
    lake = findings[0]
    if lake.state != "fine":
        return tell_without_lake(workspace, job, lake.says)
    try:
        for finding in findings:
            if finding.signal is not None:
                _settle_alarm(workspace, job, finding)
        return [alert.id for alert in tell_alarms(workspace, job)]
    except (OSError, NightjarError) as error:
        says = error.problem if isinstance(error, NightjarError) else type(error).__name__
        return tell_without_lake(workspace, job, says)


def _settle_alarm(workspace: Workspace, job: Job, finding: Finding) -> None:
    """Raise the alarm of what is wrong, and resolve that of what is fine, unless it is so already."""
    alarms = workspace.monitoring(job).alarms
    signal, kind = str(finding.signal), _kind_of(finding)
    opened = list_open(alarms.events()).get(signal)
    if kind is None or (opened is not None) == (kind == "raised"):
        return

    def draft(number: int) -> AlarmEvent:
        """The event, unless another check was faster."""
        events = alarms.events()
        opened = list_open(events).get(signal)
        if (opened is not None) == (kind == "raised"):
            return events[-1]
        night = finding.partition or job.first_partition.isoformat()
        return AlarmEvent(
            number=number,
            kind=kind,
            signal=signal,
            severity=job.monitoring.severities.operations if opened is None else opened.severity,
            at=workspace.clock().astimezone(UTC).isoformat(timespec="seconds"),
            partition=night,
            since=night if opened is None else opened.since,
            value=finding.value,
            upper=finding.limit,
            unit="" if finding.value is None else "seconds",
            found=finding.says,
        )

    alarms.append(draft)


def _kind_of(finding: Finding) -> Literal["raised", "resolved"] | None:
    kinds: dict[str, Literal["raised", "resolved"]] = {"wrong": "raised", "fine": "resolved"}
    return kinds.get(finding.state)
