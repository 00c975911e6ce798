"""Tell people: of alarms and of what failed, once on every channel, and again where a channel did not take it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipeline.alerts import FAILED_NIGHT, WITHOUT_LAKE, Alert, Served, find_runbook, link_runbook
from pipeline.alerts.quantities import describe_quantity
from pipeline.digests import digest_json
from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.monitoring import Part
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.alert_channels import Channel, open_channels
from pipeline.stores.release_log import ReleaseEvent, find_live
from pipeline.tasks.workspace import Workspace

log = logging.getLogger(__name__)

TRIED_FOR = timedelta(days=7)
"""A channel that is mended, or new, after that is not flooded with what is over."""

NIGHT, RECOVERED = "night-", "-recovered"

_RELEASED = frozenset({"released", "kept", "approved"})


def tell_alarms(workspace: Workspace, job: Job) -> list[Alert]:
    """Tell of every alarm that was raised or resolved, and of every failed night that was released since.

    What was told is not told again, on the same channel.

    Returns:
        What at least one channel took now.

    Raises:
        DamagedError: the log of alarms, of releases or of alerts cannot be read.
    """
    since = workspace.clock() - TRIED_FOR
    alert_log, releases = workspace.alert_log(job), workspace.release_log(job).events()
    served = describe_served(releases)
    for event in workspace.monitoring(job).alarms.events():
        if datetime.fromisoformat(event.at) >= since:
            alert_log.put(describe_alarm(job, event, served, workspace.settings.runbooks))
    for recovery in _list_recoveries(workspace, job, releases, served):
        alert_log.put(recovery)
    channels = _open_channels(workspace)
    untold = alert_log.list_untold([channel.name for channel in channels])
    return [alert for alert in untold if _deliver(workspace, job, alert, channels)]


def tell_failure(workspace: Workspace, job: Job, alert: Alert) -> Alert:
    """Tell of a run that failed, although nothing else may work: the same failure once while the same is served.

    Never raises for a lake that is down or damaged; then it is told every time, since nobody knows what was told.

    Args:
        alert: without what is served; its ``id`` says what went wrong with which night.

    Returns:
        What was to be told.
    """
    try:
        releases = workspace.release_log(job).events()
        served = describe_served(releases)
        name = digest_json([alert.id, None if served is None else served.generation])[:16]
        is_night = alert.releases is not None
        known = {"id": f"{NIGHT if is_night else 'run-'}{name}", "served": served}
        alert = alert.model_copy(update=known | ({"releases": len(releases)} if is_night else {}))
        workspace.alert_log(job).put(alert)
    except (OSError, NightjarError) as error:
        log.error("the alert is not written down: %s", type(error).__name__)  # noqa: TRY400 - the lake's, told elsewhere
    _deliver(workspace, job, alert, _open_channels(workspace))
    return alert


def tell_without_lake(workspace: Workspace, job: Job, problem: str) -> list[str]:
    """Tell that the lake cannot be worked with: once a day from this machine, whose home remembers it.

    Returns:
        The id of the alert, unless it was told before.
    """
    home = workspace.settings.home
    beside = Workspace(workspace.settings.model_copy(update={"lake": str(home / "without_lake")}), workspace.clock)
    alert = Alert(
        id=f"lake-{workspace.clock().astimezone(UTC).date().isoformat()}",
        job=job.name,
        owner=job.owner,
        severity="critical",
        kind="failed",
        subject="lake",
        problem=f"the lake cannot be worked with, so no night can run: {problem}",
        at=_stamp(workspace),
        next_step="mend the lake; until then nobody knows which alarms are open",
        runbook=link_runbook(workspace.settings.runbooks, WITHOUT_LAKE),
    )
    return [alert.id] if _deliver(beside, job, alert, _open_channels(workspace)) else []


def describe_alarm(job: Job, event: AlarmEvent, served: Served | None, runbooks: str) -> Alert:
    """The alert of an alarm that was raised or resolved."""
    runbook = find_runbook(event.signal)
    over = event.kind == "resolved"
    meaning, next_step = _describe_end(event, runbook.meaning) if over else runbook
    facts = {"value": _describe_value(event.value, event.unit), "limit": _describe_limits(event)}
    if event.found:
        facts["found"] = event.found
    if event.worst and not over:
        facts["worst"] = "; ".join(_describe_part(part, event.unit) for part in event.worst)
    return Alert(
        id=f"alarm-{event.number:06d}",
        job=job.name,
        owner=job.owner,
        severity=event.severity,
        kind=event.kind,
        subject=event.signal,
        problem=meaning,
        at=event.at,
        partition=event.partition,
        since=event.since,
        facts={name: words for name, words in facts.items() if words is not None},
        served=served,
        next_step=next_step,
        runbook=link_runbook(runbooks, event.signal),
        details={"signal": event.signal, **event.model_dump(include={"value", "lower", "upper", "unit", "worst"})},
    )


def describe_served(releases: Sequence[ReleaseEvent]) -> Served | None:
    """What readers see by the release log; None before the first release."""
    live = find_live(releases)
    if live is None:
        return None
    headers = [event.header for event in releases if event.generation == live.generation and event.header]
    model = str(headers[-1]["model_version"]) if headers else "unknown"
    return Served(generation=live.generation, partition=live.partition, model_version=model)


def _list_recoveries(
    workspace: Workspace, job: Job, releases: Sequence[ReleaseEvent], served: Served | None
) -> list[Alert]:
    """Of the nights that failed and were told of, those that were released since."""
    alert_log = workspace.alert_log(job)
    ids = set(alert_log.list_ids())
    open_ids = [id_ for id_ in ids if id_.startswith(NIGHT) and f"{id_}{RECOVERED}" not in ids]
    failed = [alert for alert in map(alert_log.read, open_ids) if not alert.id.endswith(RECOVERED)]
    return [
        alert.model_copy(
            update={
                "id": f"{alert.id}{RECOVERED}",
                "kind": "recovered",
                "problem": f"the night of {alert.partition}, which had failed at {alert.subject}, was released",
                "at": _stamp(workspace),
                "facts": {},
                "served": served,
                "next_step": "nothing",
                "runbook": link_runbook(workspace.settings.runbooks, FAILED_NIGHT),
                "details": {},
            }
        )
        for alert in failed
        if any(e.partition == alert.partition and e.kind in _RELEASED for e in releases[alert.releases or 0 :])
    ]


def _deliver(workspace: Workspace, job: Job, alert: Alert, channels: Sequence[Channel]) -> bool:
    """Send an alert to the channels that have not settled it; whether one of them took it."""
    return any([_send(workspace, job, alert, channel) for channel in channels])  # noqa: C419 - to every one of them


def _send(workspace: Workspace, job: Job, alert: Alert, channel: Channel) -> bool:
    """Send an alert to one channel, unless it is settled.  Without the lake it is sent, and nothing written down."""
    alert_log = workspace.alert_log(job)
    try:
        if not alert_log.claim(alert, channel.name):
            return False
        if channel.wakes and alert.severity == "info":
            alert_log.settle(alert, channel.name, "not for it")
            return False
        if datetime.fromisoformat(alert.at) < workspace.clock() - TRIED_FOR:
            alert_log.settle(alert, channel.name, "outdated")
            return False
    except (OSError, NightjarError) as error:
        log.error("nobody knows whether this was told: %s", type(error).__name__)  # noqa: TRY400 - likewise
    told = channel.send(alert)
    try:
        if told:
            alert_log.settle(alert, channel.name, "told")
        else:
            alert_log.give_up(alert, channel.name)
    except (OSError, NightjarError) as error:
        log.error("nobody will know that this was told: %s", type(error).__name__)  # noqa: TRY400 - likewise
    return told


def _open_channels(workspace: Workspace) -> list[Channel]:
    settings = workspace.settings
    return open_channels(webhook=settings.alert_webhook, smtp=settings.smtp_url, sender=settings.alert_from)


def _describe_end(event: AlarmEvent, meaning: str) -> tuple[str, str]:
    """What has become of an alarm that is resolved, and what to do."""
    if event.judged:
        return f"{event.signal} is resolved; it was raised because {meaning}", "nothing, unless it comes back"
    return (
        f"{event.signal} is closed without being known to be well, for it is not judged any more; it was raised "
        f"because {meaning}",
        "look whether what raised it is over, and why it is not judged",
    )


def _describe_value(value: float | None, unit: str) -> str | None:
    return None if value is None else describe_quantity(value, unit)


def _describe_limits(event: AlarmEvent) -> str | None:
    if event.lower is not None and event.upper is not None:
        return f"{describe_quantity(event.lower, event.unit)} to {describe_quantity(event.upper, event.unit)}"
    if event.upper is not None:
        return f"at most {describe_quantity(event.upper, event.unit)}"
    return None if event.lower is None else f"at least {describe_quantity(event.lower, event.unit)}"


def _describe_part(part: Part, unit: str) -> str:
    limit = "" if part.limit is None else f" (limit {describe_quantity(part.limit, unit)})"
    return f"{part.name} {describe_quantity(part.value, unit)}{limit}"


def _stamp(workspace: Workspace) -> str:
    return workspace.clock().astimezone(UTC).isoformat(timespec="seconds")
