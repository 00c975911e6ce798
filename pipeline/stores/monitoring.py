"""Monitoring records: what was seen of every served night, and the alarms that were raised and resolved.

    jobs/<job>/monitoring/observed/<partition>.json      the night as it was served
    jobs/<job>/monitoring/graded/<partition>.json        the night against its labels
    jobs/<job>/monitoring/moved/<partition>.json         which features moved its scores, if anybody asked
    jobs/<job>/monitoring/profiles/<partition>.json      counts of every feature, over the bins of the reference
    jobs/<job>/monitoring/references/<model digest>.json what the model was trained on, over the same bins
    jobs/<job>/monitoring/alarms/000001.json             raised and resolved, append-only

The record of a partition is that of its newest release.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar, cast

from pydantic import ValidationError

from pipeline.errors import DamagedError
from pipeline.monitoring import Graded, Moved, Observed, Profile, Record
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.event_log import EventLog
from pipeline.stores.lake import Lake, StoredFile

R = TypeVar("R", bound=Record)

Kind = Literal["observed", "graded"]
KINDS: tuple[Kind, ...] = ("observed", "graded")
"""Records that hold signals."""

_READERS = 16


class MonitoringRecords:
    """What is known of one job's nights.

    Args:
        branch: folder of a policy of a replay, whose nights are kept apart; empty for production.
    """

    def __init__(self, lake: Lake, job: str, branch: str = "") -> None:
        self._lake = lake
        self._job = job
        self._folder = f"jobs/{job}/{branch}/monitoring" if branch else f"jobs/{job}/monitoring"

    @property
    def alarms(self) -> EventLog[AlarmEvent]:
        """Every alarm that was raised or resolved."""
        return EventLog(self._lake, self._job, f"{self._folder}/alarms", "log of alarms", AlarmEvent)

    def write_observed(self, night: Observed) -> None:
        """Put the record of a night over that of an earlier release of its partition."""
        self._write("observed", night.partition, night.model_dump(mode="json"))

    def write_graded(self, night: Graded) -> None:
        """Put what labels say of a night over what they said before."""
        self._write("graded", night.partition, night.model_dump(mode="json"))

    def write_moved(self, night: Moved) -> None:
        """Put what moved the scores of a night over what an earlier comparison said."""
        self._write("moved", night.partition, night.model_dump(mode="json"))

    def write_profile(self, partition: str, profile: Profile | None) -> None:
        """Put the profile of a night over that of an earlier release of its partition; None leaves none of it."""
        if profile is None:
            self._lake.remove(self._path("profiles", partition))
        else:
            self._write("profiles", partition, profile)

    def write_reference(self, model_digest: str, profile: Profile) -> None:
        """Put the profile of what a model was trained on, which nothing changes."""
        self._lake.put_json_if_absent(self._path("references", model_digest), profile)

    def observed(self, first: str = "", last: str = "9999") -> list[Observed]:
        """Records of the partitions from ``first`` to ``last``, oldest first."""
        return self._read_all("observed", Observed, first, last)

    def graded(self, first: str = "", last: str = "9999") -> list[Graded]:
        """Gradings of the partitions from ``first`` to ``last``, oldest first."""
        return self._read_all("graded", Graded, first, last)

    def nights(self, kind: Kind, first: str = "") -> Sequence[Observed] | Sequence[Graded]:
        """Records of one kind from ``first`` on, oldest first."""
        return self.observed(first) if kind == "observed" else self.graded(first)

    def partitions(self, kind: Kind) -> list[str]:
        """The partitions that have a record of this kind, oldest first; none of them is read."""
        return self._partitions(kind)

    def newest_observed(self) -> Observed | None:
        """The record of the newest partition that was watched; None if none was."""
        return self._find_newest("observed", Observed)

    def newest_graded(self) -> Graded | None:
        """The grading of the newest partition that has one; None if none has."""
        return self._find_newest("graded", Graded)

    def profiles(self, partitions: Sequence[str]) -> dict[str, Profile]:
        """Profiles of those of the partitions that have one."""
        known = set(self._partitions("profiles"))
        wanted = [partition for partition in partitions if partition in known]
        read = partial(self._read, "profiles")
        with ThreadPoolExecutor(_READERS) as readers:
            return dict(zip(wanted, readers.map(read, wanted), strict=True))

    def files(self, kind: Kind) -> list[StoredFile]:
        """The files of the records of one kind, in order of partition."""
        return [file for file in self._lake.walk(f"{self._folder}/{kind}") if not _is_unfinished(file)]

    def find_observed(self, partition: str) -> Observed | None:
        """The record of one night; None if it was not watched."""
        return self._find("observed", Observed, partition)

    def find_graded(self, partition: str) -> Graded | None:
        """The grading of one night; None if its labels have not closed."""
        return self._find("graded", Graded, partition)

    def find_moved(self, partition: str) -> Moved | None:
        """What moved the scores of one night; None if nobody asked."""
        return self._find("moved", Moved, partition)

    def find_reference(self, model_digest: str) -> Profile | None:
        """The profile of what a model was trained on; None if none was made."""
        try:
            return self._read("references", model_digest)
        except FileNotFoundError:
            return None

    def forget(self) -> None:
        """Remove every record and alarm: a replay watches its nights from the first one on."""
        self._lake.remove(self._folder)

    def _find(self, kind: str, record: type[R], partition: str) -> R | None:
        try:
            return self._parse(kind, record, partition)
        except FileNotFoundError:
            return None

    def _find_newest(self, kind: str, record: type[R]) -> R | None:
        partitions = self._partitions(kind)
        return self._parse(kind, record, partitions[-1]) if partitions else None

    def _read_all(self, kind: str, record: type[R], first: str, last: str) -> list[R]:
        wanted = [partition for partition in self._partitions(kind) if first <= partition <= last]
        with ThreadPoolExecutor(_READERS) as readers:
            return list(readers.map(partial(self._parse, kind, record), wanted))

    def _partitions(self, kind: str) -> list[str]:
        return [name.removesuffix(".json") for name in self._lake.list(f"{self._folder}/{kind}")]

    def _parse(self, kind: str, record: type[R], name: str) -> R:
        try:
            return record.model_validate(self._read(kind, name))
        except ValidationError as error:
            raise DamagedError(
                f"{name}.json is no record of a night",
                job=self._job,
                partition=name,
                expected=f"what Nightjar writes under {self._lake.url(f'{self._folder}/{kind}')}",
                found=f"{error.error_count()} fields that are none of it",
                next_step="restore the file from a backup of the lake, or remove it and watch the night again",
            ) from error

    def _read(self, kind: str, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._lake.read_json(self._path(kind, name)))

    def _write(self, kind: str, name: str, content: Any) -> None:
        self._lake.replace_json(self._path(kind, name), content)

    def _path(self, kind: str, name: str) -> str:
        return f"{self._folder}/{kind}/{name}.json"


def partition_of(file: StoredFile) -> str:
    """The partition of a record's file."""
    return PurePosixPath(file.path).stem


def _is_unfinished(file: StoredFile) -> bool:
    return PurePosixPath(file.path).name.startswith(".")
