"""Tell people: of alarms and of what failed, once on every channel, and again where a channel did not take it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipeline.alerts import WITHOUT_LAKE, Alert, link_runbook
from pipeline.digests import digest_json
from pipeline.errors import NightjarError
from pipeline.job import Job
from pipeline.stores.alert_channels import Channel, open_channels
from pipeline.stores.release_log import ReleaseEvent
from pipeline.tasks.alert_drafts import (
    RECOVERED,
    describe_alarm,
    describe_damage,
    describe_recovery,
    describe_served,
    stamp,
)
from pipeline.tasks.workspace import Workspace

log = logging.getLogger(__name__)

TRIED_FOR = timedelta(days=7)
"""A channel that is mended, or new, after that is not flooded with what is over."""

NIGHT = "night-"

_RELEASED = frozenset({"released", "kept", "approved"})


def tell_alarms(workspace: Workspace, job: Job) -> list[Alert]:
    """Tell of every alarm that was raised or resolved, and of every failed night that was released since.

    What was told is not told again, on the same channel.  An alert that is damaged keeps nobody from the others, and is
    told of itself.

    Returns:
        What at least one channel took now.

    Raises:
        DamagedError: the log of alarms or of releases cannot be read.
    """
    since = workspace.clock() - TRIED_FOR
    alert_log, releases = workspace.alert_log(job), workspace.release_log(job).events()
    served, now, runbooks = describe_served(releases), workspace.clock(), workspace.settings.runbooks
    for event in workspace.monitoring(job).alarms.events():
        if datetime.fromisoformat(event.at) >= since:
            alert_log.put(describe_alarm(job, event, served, runbooks))
    failed, lost = alert_log.read_all(_list_unrecovered(alert_log.list_ids()))
    for night in failed:
        if _is_released_since(night, releases):
            alert_log.put(describe_recovery(night, served, now, runbooks))
    channels = _open_channels(workspace)
    untold, unreadable = alert_log.read_all(alert_log.list_untold([channel.name for channel in channels]))
    damages = [describe_damage(job, id_, error, served, now, runbooks) for id_, error in (lost | unreadable).items()]
    for damage in damages:
        alert_log.put(damage)
    due = {alert.id: alert for alert in (*damages, *untold)}
    return [alert for alert in due.values() if _deliver(workspace, job, alert, channels)]


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
        at=stamp(workspace.clock()),
        next_step="mend the lake; until then nobody knows which alarms are open",
        runbook=link_runbook(workspace.settings.runbooks, WITHOUT_LAKE),
    )
    return [alert.id] if _deliver(beside, job, alert, _open_channels(workspace)) else []


def _list_unrecovered(ids: Sequence[str]) -> list[str]:
    """The alerts of nights that failed and were not told to be released since."""
    known = set(ids)
    nights = [id_ for id_ in ids if id_.startswith(NIGHT) and not id_.endswith(RECOVERED)]
    return [id_ for id_ in nights if f"{id_}{RECOVERED}" not in known]


def _is_released_since(failed: Alert, releases: Sequence[ReleaseEvent]) -> bool:
    later = releases[failed.releases or 0 :]
    return any(event.partition == failed.partition and event.kind in _RELEASED for event in later)


def _deliver(workspace: Workspace, job: Job, alert: Alert, channels: Sequence[Channel]) -> bool:
    """Send an alert to the channels that have not settled it; whether one of them took it."""
    return any([_send(workspace, job, alert, channel) for channel in channels])  # noqa: C419 - to every one of them


def _send(workspace: Workspace, job: Job, alert: Alert, channel: Channel) -> bool:
    """Send an alert to one channel, unless it is settled.  Without the lake it is sent, and nothing written down."""
    alert_log, claim = workspace.alert_log(job), None
    try:
        claim = alert_log.claim(alert, channel.name)
        if claim is None:
            return False
        if not channel.is_for(alert):
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
        elif claim is not None:
            alert_log.give_up(alert, channel.name, claim)
    except (OSError, NightjarError) as error:
        log.error("nobody will know that this was told: %s", type(error).__name__)  # noqa: TRY400 - likewise
    return told


def _open_channels(workspace: Workspace) -> list[Channel]:
    settings = workspace.settings
    return open_channels(webhook=settings.alert_webhook, smtp=settings.smtp_url, sender=settings.alert_from)
