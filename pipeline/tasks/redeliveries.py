"""Re-deliveries: which released partitions were made of a delivery that is not the newest any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from pipeline.job import Job
from pipeline.keyspace import token_of
from pipeline.stores.deliveries import Delivery
from pipeline.stores.release_log import MADE_LIVE, ReleaseEvent, list_taken_back
from pipeline.tasks.feature_building import history_of
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.manifests import AS_CORRECTED, require_manifest
from pipeline.tasks.partitions import find_delivery, parse_partition
from pipeline.tasks.workspace import Workspace


@dataclass(frozen=True)
class Superseded:
    """A delivery that a release was made of, and the one that a run would take now.

    Attributes:
        used: its digest; None where a person had accepted that there was none.
        newest: digest of what is there now.
        partition: of the newest one.
        landed_at: when that landed, ISO 8601.
        is_own: it is of the released partition itself, not of a trailing window.
    """

    source: str
    partition: str
    used: str | None
    newest: str
    landed_at: str
    is_own: bool


@dataclass(frozen=True)
class Affected:
    """A released partition that a run would make of other deliveries now."""

    partition: str
    generation: str
    superseded: tuple[Superseded, ...]
    command: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"superseded": [asdict(item) for item in self.superseded]}


def find_affected(workspace: Workspace, job: Job, since: str | None = None) -> list[Affected]:
    """The released partitions, from ``since`` on, of which what is read used a delivery that is not the newest now.

    A dimension counts with the snapshot that the partition would take.

    Returns:
        In the order in which they should be run again: the oldest first.

    Raises:
        BadInputError: ``since`` is not a date.
    """
    if since is not None:
        parse_partition(since, job)

    @cache
    def find_newest(source: str, partition: str) -> Delivery | None:
        return find_delivery(workspace, job.source(source), partition)

    affected = []
    for partition, generation in sorted(_find_served(workspace.release_log(job).events()).items()):
        if since is not None and partition < since:
            continue
        manifest = require_manifest(workspace, job, generation)
        superseded = tuple(
            Superseded(
                source,
                newest.partition,
                used,
                newest.digest,
                newest.landed_at.isoformat(),
                is_own=day == partition,
            )
            for source, day, used in _list_used(manifest)
            if (newest := find_newest(source, day)) is not None and newest.digest != used
        )
        if superseded:
            command = f"nightjar run {job.name} --partition {partition}"
            affected.append(Affected(partition, generation, superseded, command))
    return affected


def warn_of_redeliveries(workspace: Workspace, job: Job, partition: str) -> list[str]:
    """What a night says if a delivery that it uses came again after other partitions were released with the one before.

    Manifests are read only then.
    """
    days = [(source.name, partition) for source in job.sources]
    days += history_of(job, load_feature_set(job), partition)
    again = {day for source, day in days if len(workspace.deliveries.all_of(source, day)) > 1}
    if not again or workspace.known_by is not None:
        return []
    affected = [item for item in find_affected(workspace, job, min(again)) if item.partition != partition]
    if not affected:
        return []
    landed = sorted({f"{item.source} of {item.partition}" for each in affected for item in each.superseded})
    return [
        f"delivered again: {', '.join(landed)}; released before that, so run again: "
        f"{', '.join(item.partition for item in affected)} (nightjar redeliveries {job.name} --since {min(again)})"
    ]


def _find_served(events: Sequence[ReleaseEvent]) -> dict[str, str]:
    """By partition, the generation that is read of it, of those that are made of what is known today.

    Published ones go before those that the gate holds back or blocked.  Where rollbacks took all of a partition back,
    the newest of them counts: what they wait for is a correction.
    """
    published = {event.generation for event in events if event.kind in MADE_LIVE or event.kind == "kept"}
    taken_back = list_taken_back(events)

    def rank(generation: str) -> tuple[bool, bool, int]:
        return generation not in taken_back, generation in published, token_of(generation) or 0

    served: dict[str, str] = {}
    for event in events:
        if event.header is not None and event.header["basis"] == AS_CORRECTED:
            rivals = (event.generation, served.get(event.partition, event.generation))
            served[event.partition] = max(rivals, key=rank)
    return served


def _list_used(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Source, partition that it was looked up for, and digest of every delivery that a release was made of."""
    for source, described in manifest["sources"].items():
        yield source, manifest["partition"], described["delivery"]["digest"]
    for source, days in manifest.get("trailing", {}).items():
        for delivery in days:
            if delivery["partition"] != manifest["partition"]:
                yield source, delivery["partition"], delivery["digest"]
    for acceptance in manifest.get("acceptances", []):
        if acceptance["delivery"] is None:
            yield acceptance["source"], acceptance["partition"], None
