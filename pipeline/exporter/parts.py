"""The parts that a job's metrics are read in.  Each costs a few requests, however long the job has run.

Logs are append-only: what was read of one is kept, and only what is new is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from pipeline.exporter.samples import (
    Sample,
    describe_alarms,
    describe_graded,
    describe_live,
    describe_models,
    describe_observed,
    describe_releases,
)
from pipeline.job import Job
from pipeline.serving import Reader, Unhealthy
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.ledger_events import Event
from pipeline.stores.release_log import ReleaseEvent, find_live
from pipeline.tasks import Workspace


class JobParts:
    """What is read of one job, part by part; threads may read different parts at once."""

    def __init__(self, workspace: Workspace, job: Job) -> None:
        self._workspace = workspace
        self._job = job
        self._releases: list[ReleaseEvent] = []
        self._alarms: list[AlarmEvent] = []
        self._models: list[Event] = []

    @cached_property
    def by_name(self) -> dict[str, Callable[[], Iterable[Sample]]]:
        """What reads each part.

        Raises (each of them):
            NightjarError, OSError: Redis or the lake cannot be read, or what is there is damaged.
        """
        return {
            "live": self._read_live,
            "releases": self._read_releases,
            "watched": self._read_observed,
            "graded": self._read_graded,
            "alarms": self._read_alarms,
            "models": self._read_models,
        }

    @cached_property
    def _reader(self) -> Reader:
        clock = self._workspace.clock
        return Reader(self._workspace.settings.url_for_reading, self._job.name, clock=clock, live_seconds=0)

    def _read_live(self) -> Iterable[Sample]:
        try:
            return describe_live(self._reader.status())
        except Unhealthy:
            if find_live(self._workspace.release_log(self._job).events(self._releases)) is None:
                return ()  # a job that has released nothing yet is not broken
            raise

    def _read_releases(self) -> Iterable[Sample]:
        self._releases = self._workspace.release_log(self._job).events(self._releases)
        return describe_releases(self._job, self._releases, self._workspace.clock())

    def _read_observed(self) -> Iterable[Sample]:
        night = self._workspace.monitoring(self._job).newest_observed()
        return () if night is None else describe_observed(night)

    def _read_graded(self) -> Iterable[Sample]:
        night = self._workspace.monitoring(self._job).newest_graded()
        return () if night is None else describe_graded(night)

    def _read_alarms(self) -> Iterable[Sample]:
        self._alarms = self._workspace.monitoring(self._job).alarms.events(self._alarms)
        return describe_alarms(self._alarms)

    def _read_models(self) -> Iterable[Sample]:
        self._models = self._workspace.ledger(self._job).events(self._models)
        return describe_models(self._models)
