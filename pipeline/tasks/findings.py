"""What `nightjar check` finds of a job, part by part; each can be looked at when the others cannot.

Nothing here writes.  A part is ``fine``, ``wrong``, or ``unknown`` where it could not be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from pipeline.alerts.quantities import describe_age
from pipeline.errors import NightjarError, NotReadyError
from pipeline.job import Job
from pipeline.serving import Reader
from pipeline.serving.errors import StoreUnavailable, Unhealthy
from pipeline.stores.alarms import list_open
from pipeline.stores.release_log import ReleaseEvent, find_live
from pipeline.tasks.partitions import newest_closed_partition
from pipeline.tasks.runs import Summary, find_failure, find_newest_run, list_shortfalls
from pipeline.tasks.workspace import Workspace

State = Literal["fine", "wrong", "unknown"]

GRACE = timedelta(hours=2)
"""What a night may take, beyond the cutoff and the job's patience, before it counts as missing."""

AGAIN_AFTER = timedelta(seconds=5)
"""Until Redis is asked again that did not answer: many are up again by then."""

AGE, MISSING, UNREADABLE = "operations.age", "operations.missing", "operations.unreadable"
OF_CHECK = frozenset({AGE, MISSING, UNREADABLE})
"""Signals that are raised and resolved by `nightjar check` alone."""

_RAN = frozenset({"released", "kept", "held", "refused", "approved", "declined"})
_PROBES = tuple(f"nightjar-check-{number}" for number in range(16))
"""Ids of nobody: each is looked for in a bucket, and a bucket that is gone is told from an id that is unknown."""


@dataclass(frozen=True)
class Finding:
    """One part of a job.

    Attributes:
        part: ``lake``, ``live``, ``age``, ``night``, ``run`` or ``alarms``.
        says: in words.
        signal: that is raised where it is wrong, and resolved where it is fine; None for no alarm of its own.
        partition: the night that it is about.
        value, limit: of the signal, in seconds.
    """

    part: str
    state: State
    says: str
    signal: str | None = None
    partition: str | None = None
    value: float | None = None
    limit: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def look_at_lake(workspace: Workspace, job: Job) -> tuple[Finding, list[ReleaseEvent] | None]:
    """Whether the release log can be read, and what is in it; None if it cannot."""
    try:
        releases = workspace.release_log(job).events()
    except (OSError, NightjarError) as error:
        return Finding("lake", "wrong", f"the release log cannot be read: {_describe(error)}"), None
    return Finding("lake", "fine", f"{len(releases)} events in the release log"), releases


def look_at_live(
    workspace: Workspace, job: Job, releases: Sequence[ReleaseEvent] | None, pause: Callable[[], None]
) -> tuple[Finding, dict[str, Any] | None]:
    """Whether readers get what is live, and its header: Redis', or the release log's where Redis cannot be read.

    Args:
        pause: comes before a second try: a Redis that is starting again is no alarm.
    """
    logged = find_live(releases or [])
    header = None if logged is None else logged.header
    night = None if logged is None else logged.partition
    try:
        header = _read_header(workspace, job, pause)
    except (OSError, NightjarError) as error:
        if releases == [] and isinstance(error, Unhealthy):
            return Finding("live", "unknown", "nothing was released yet"), None
        return Finding("live", "wrong", f"readers get nothing: {_describe(error)}", UNREADABLE, night), header
    words = f"generation {header['generation']} of {header['partition']} by model {header['model_version']}"
    return Finding("live", "fine", words, UNREADABLE, header["partition"]), header


def look_at_age(job: Job, header: dict[str, Any] | None, now: datetime) -> Finding:
    """How old what is live is, from its cutoff, beside what readers call stale."""
    if header is None:
        return Finding("age", "unknown", "what is live is not known")
    age, limit = (now - datetime.fromisoformat(header["cutoff"])).total_seconds(), header["max_age_seconds"]
    words = f"the predictions are of {header['partition']}, {describe_age(age)} old"
    if limit is None:
        return Finding("age", "fine", f"{words}; the job declares no max_age", AGE, header["partition"], age)
    stale = age > limit
    words += f", where at most {describe_age(limit)} are allowed" + (_explain_end(job, header, now) if stale else "")
    return Finding("age", "wrong" if stale else "fine", words, AGE, header["partition"], age, limit)


def look_at_night(job: Job, releases: Sequence[ReleaseEvent] | None, now: datetime) -> Finding:
    """Whether the newest night whose deadline has passed left something in the release log."""
    if releases is None:
        return Finding("night", "unknown", "the lake cannot be read")
    try:
        expected = newest_closed_partition(job, now - job.patience - GRACE)
    except NotReadyError:
        return Finding("night", "fine", f"no night is due yet; the first one is that of {job.first_partition}")
    deadline = job.cutoff(date.fromisoformat(expected)) + job.patience + GRACE
    kinds = [event.kind for event in releases if event.partition == expected and event.kind in _RAN]
    if kinds:
        return Finding("night", "fine", f"the night of {expected} was {kinds[-1]}", MISSING, expected)
    late = (now - deadline).total_seconds()
    words = (
        f"the night of {expected} was not released by {deadline.isoformat(timespec='minutes')}, its cutoff, patience "
        f"and {describe_age(GRACE.total_seconds())}"
    )
    return Finding("night", "wrong", words, MISSING, expected, late)


def look_at_run(workspace: Workspace, job: Job) -> Finding:
    """Whether the newest run of the newest partition failed, and where; of what fails no night, only that it failed."""
    try:
        run = find_newest_run(workspace, job)
    except (OSError, NightjarError) as error:
        return Finding("run", "unknown", f"run records cannot be read: {_describe(error)}")
    if run is None:
        return Finding("run", "fine", "no run left a record yet")
    failed, name = find_failure(run), f"run {run['run']} of {run['partition']}"
    if failed is not None:
        return Finding(
            "run", "wrong", f"{name} failed at {failed['stage']}: {_explain(failed)}", partition=run["partition"]
        )
    beside = "".join(f"; beside it {stage['stage']} failed: {_explain(stage)}" for stage in list_shortfalls(run))
    return Finding("run", "fine", f"{name} did not fail{beside}", partition=run["partition"])


def look_at_alarms(workspace: Workspace, job: Job) -> Finding:
    """Which alarms are open, beside those that are told from the other parts."""
    try:
        opened = list_open(workspace.monitoring(job).alarms.events())
    except (OSError, NightjarError) as error:
        return Finding("alarms", "unknown", f"the log of alarms cannot be read: {_describe(error)}")
    others = [event for signal, event in opened.items() if signal not in OF_CHECK]
    words = ", ".join(f"{event.signal} since {event.since} ({event.severity})" for event in others)
    bad = any(event.severity != "info" for event in others)
    return Finding("alarms", "wrong" if bad else "fine", words or "none is open")


def _read_header(workspace: Workspace, job: Job, pause: Callable[[], None]) -> dict[str, Any]:
    try:
        return _ask_as_reader(workspace, job)
    except StoreUnavailable:
        pause()
        return _ask_as_reader(workspace, job)


def _ask_as_reader(workspace: Workspace, job: Job) -> dict[str, Any]:
    reader = Reader(workspace.settings.url_for_reading, job.name, clock=workspace.clock, live_seconds=0)
    try:
        reader.get_many(_PROBES)
        return reader.status().header.to_json_object()
    finally:
        reader.close()


def _explain_end(job: Job, header: dict[str, Any], now: datetime) -> str:
    """Of data that is over, as the demo's, that and what to do."""
    if job.last_partition is None or now < job.cutoff(job.last_partition) + job.patience + GRACE:
        return ""
    then = datetime.fromisoformat(header["cutoff"]) + job.patience + GRACE
    moment = then.isoformat(timespec="seconds").replace("+00:00", "Z")
    return (
        f"; the data is of {job.first_partition.year}, and upstream has none after {job.last_partition}: to see it as "
        f"of its own time, set NIGHTJAR_CLOCK={moment}"
    )


def _explain(failed: Summary) -> str:
    return str(failed["error"].get("problem") or failed["error"]["error"])


def _describe(error: Exception) -> str:
    """What Nightjar's own errors say; of others the class, since their messages may quote rows or addresses."""
    if not isinstance(error, NightjarError):
        return type(error).__name__
    return f"{error.problem}" + ("" if error.found is None else f" ({error.found})")
