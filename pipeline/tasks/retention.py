"""Retention: what may go, because nothing that is kept reaches it and it is no longer young.

The model ledger and the files of its models, model cards, release manifests, the release log, the log of alarms,
acceptances, reports of erasures, and the newest delivery of every partition are never removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.stores.data_docs import DataDocs
from pipeline.stores.deliveries import name_delivery
from pipeline.stores.lake import StoredFile
from pipeline.tasks.reachability import GRACE, StoredOutput, find_model_digests, find_reached, list_outputs
from pipeline.tasks.restoring import list_restorable
from pipeline.tasks.validating import STAGE as VALIDATE_STAGE
from pipeline.tasks.workspace import Workspace

DAGS = ("nightly_scoring", "retraining", "feedback", "rollback")
"""Whose runs have a folder of logs, with the job's name behind it."""


class Kind(StrEnum):
    """What retention removes, in words for people."""

    GENERATION = "generations in Redis"
    TILE = "tiles"
    OUTPUT = "outputs of stages"
    UNFINISHED_OUTPUT = "unfinished outputs"
    DELIVERY = "superseded deliveries"
    RUN = "run records"
    NIGHT = "monitoring records"
    REPORT = "reports of nights"
    REFERENCE = "references of models that no ledger names"
    REPLAY = "replays"
    MODEL_FILE = "files of models that no ledger names"
    UNFINISHED_FILE = "unfinished files"
    DATA_DOCS = "Data Docs"
    LOG = "logs"


@dataclass(frozen=True)
class Removal:
    """Something that may go.

    Attributes:
        where: path in the lake, path of a log file, or name of a generation.
        bytes: its size; None where that is not known.
        modified: when it was written last; None where that is not known.
    """

    what: Kind
    where: str
    bytes: int | None = None
    modified: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return vars(self) | {"modified": None if self.modified is None else self.modified.isoformat()}


def plan_retention(workspace: Workspace, job: Job) -> list[Removal]:
    """What may go; nothing is changed.

    Raises:
        UnavailableError: Redis does not tell what it holds.
        DamagedError: a manifest or the ledger cannot be read, so that what it reaches is not known.
    """
    stored = list_outputs(workspace, job)
    pruned = workspace.janitor.prune(job.name, dry_run=True)
    kept = {generation.name for generation in workspace.predictions.generations(job.name)} - set(pruned)
    kept |= list_restorable(workspace, job)  # Redis may have lost them
    reached = find_reached(workspace, job, stored, kept)
    superfluous = [item for item in stored if not _is_kept(workspace, item, reached)]
    return [
        *(Removal(Kind.GENERATION, name) for name in pruned),
        *_plan_tiles(workspace, superfluous),
        *(
            Removal(Kind.OUTPUT if item.output else Kind.UNFINISHED_OUTPUT, item.path, item.bytes, item.modified)
            for item in superfluous
        ),
        *_plan_deliveries(workspace, job, reached),
        *_plan_runs(workspace, job),
        *_plan_monitoring(workspace, job),
        *_plan_replays(workspace, job, reached),
        *_plan_unfinished(workspace, job),
        *_plan_docs(workspace, job),
        *_plan_logs(workspace, job),
    ]


def apply_retention(workspace: Workspace, job: Job) -> list[Removal]:
    """Remove what :func:`plan_retention` names; returns it.

    A marker or manifest goes before the files that it names, so that whatever breaks in between never existed.
    """
    plan = plan_retention(workspace, job)
    workspace.janitor.prune(job.name)
    for removal in plan:
        if removal.what is Kind.GENERATION:
            continue
        if removal.what is Kind.LOG:
            Path(removal.where).unlink(missing_ok=True)
        elif removal.what is Kind.DELIVERY:
            workspace.deliveries.remove(*name_delivery(removal.where))
        elif removal.what is Kind.OUTPUT:
            workspace.outputs(job).remove(*PurePosixPath(removal.where).parts[-2:])
        else:
            workspace.lake.remove(removal.where)
    if any(removal.what is Kind.DATA_DOCS for removal in plan):
        DataDocs(workspace.lake, job.name).write_index()
    return plan


def summarise_retention(removals: Iterable[Removal]) -> list[dict[str, Any]]:
    """By kind: how many, how many bytes, and when the oldest and newest were written."""
    kinds: dict[str, list[Removal]] = {}
    for removal in removals:
        kinds.setdefault(removal.what, []).append(removal)
    return [{"what": what, **_measure(items)} for what, items in kinds.items()]


def _measure(items: list[Removal]) -> dict[str, Any]:
    times = [item.modified.isoformat() for item in items if item.modified is not None]
    sizes = [item.bytes for item in items if item.bytes is not None]
    return {
        "count": len(items),
        "bytes": sum(sizes) if sizes else None,
        "oldest": min(times, default=None),
        "newest": max(times, default=None),
    }


def _is_kept(workspace: Workspace, item: StoredOutput, reached: set[str]) -> bool:
    if _is_young(workspace, item.modified):
        return True
    return item.output is not None and (item.output.address in reached or item.output.digest in reached)


def _is_young(workspace: Workspace, modified: datetime) -> bool:
    return workspace.wall_clock() - modified < GRACE


def _plan_tiles(workspace: Workspace, superfluous: Iterable[StoredOutput]) -> Iterator[Removal]:
    """Tiles of validated deliveries that go; those of other jobs have other digests."""
    going = {item.output.digest for item in superfluous if item.output and item.output.stage == VALIDATE_STAGE}
    for file in workspace.lake.walk("tiles") if going else ():
        if PurePosixPath(file.path).parts[2] in going:
            yield Removal(Kind.TILE, file.path, file.bytes, file.modified)


def _plan_deliveries(workspace: Workspace, job: Job, reached: set[str]) -> Iterator[Removal]:
    """Deliveries that a newer one has taken the place of, and that no kept document names.

    Those of a source that another job reads too are left alone: what that job keeps is not looked at here.
    """
    others = [other for other in load_jobs(workspace.settings) if other.name != job.name]
    shared = {source.name for other in others for source in other.sources}
    for source in job.sources:
        for partition in () if source.name in shared else workspace.deliveries.partitions(source.name):
            newest = workspace.deliveries.newest(source.name, partition)
            for delivery in workspace.deliveries.all_of(source.name, partition):
                is_old = workspace.wall_clock() - delivery.landed_at >= max(job.retention.deliveries, GRACE)
                if delivery != newest and is_old and delivery.digest not in reached:
                    size = sum(file.bytes for file in delivery.files)
                    yield Removal(Kind.DELIVERY, delivery.folder, size, delivery.landed_at)


def _plan_runs(workspace: Workspace, job: Job) -> Iterator[Removal]:
    for file in workspace.lake.walk(f"jobs/{job.name}/runs"):
        if workspace.wall_clock() - file.modified >= max(job.retention.runs, GRACE):
            yield Removal(Kind.RUN, file.path, file.bytes, file.modified)


def _plan_monitoring(workspace: Workspace, job: Job) -> Iterator[Removal]:
    """What was seen of nights long before the newest with their reports, and the references of unregistered models.

    Nights are counted from the newest that was watched, and not from today: a job may be of days long past.
    """
    folder = f"jobs/{job.name}/monitoring"
    watched = [night.removesuffix(".json") for night in workspace.lake.list(f"{folder}/observed")]
    newest = date.fromisoformat(max(watched, default=job.first_partition.isoformat()))
    oldest = (newest - job.retention.monitoring).isoformat()
    folders = {f"{folder}/{kind}": Kind.NIGHT for kind in ("observed", "graded", "moved", "profiles")}
    for of_nights, kind in {**folders, f"jobs/{job.name}/reports": Kind.REPORT}.items():
        for file in _list_records(workspace, of_nights):
            if PurePosixPath(file.path).stem < oldest:
                yield Removal(kind, file.path, file.bytes, file.modified)
    registered = {version.registration.model_digest for version in workspace.ledger(job).versions()}
    for file in _list_records(workspace, f"{folder}/references"):
        if PurePosixPath(file.path).stem not in registered:
            yield Removal(Kind.REFERENCE, file.path, file.bytes, file.modified)


def _list_records(workspace: Workspace, folder: str) -> list[StoredFile]:
    """The finished files of a folder that are no longer young."""
    return [
        file
        for file in workspace.lake.walk(folder)
        if not PurePosixPath(file.path).name.startswith(".") and not _is_young(workspace, file.modified)
    ]


def _plan_replays(workspace: Workspace, job: Job, reached: set[str]) -> Iterator[Removal]:
    """Ledgers and decisions of replays that nobody has worked on lately, and the files of their models."""
    replays: dict[str, list[StoredFile]] = {}
    for file in workspace.lake.walk(f"jobs/{job.name}/replays"):
        if not PurePosixPath(file.path).name.startswith("."):
            replays.setdefault(PurePosixPath(file.path).parts[3], []).append(file)
    young = {name for name, files in replays.items() if _is_young(workspace, max(file.modified for file in files))}
    for name in replays.keys() - young:
        # The newest go first: what is left if that breaks off is a replay that was interrupted.
        for file in sorted(replays[name], key=lambda file: (file.modified, file.path), reverse=True):
            yield Removal(Kind.REPLAY, file.path, file.bytes, file.modified)
    kept = find_model_digests(workspace, job, [file.path for name in young for file in replays[name]], reached)
    for file in workspace.lake.walk(f"jobs/{job.name}/artifacts"):
        digest = PurePosixPath(file.path).name.partition(".")[0]
        if digest and digest not in kept and not _is_young(workspace, file.modified):
            yield Removal(Kind.MODEL_FILE, file.path, file.bytes, file.modified)


def _plan_unfinished(workspace: Workspace, job: Job) -> Iterator[Removal]:
    """What writers that were killed left beside the files that they wrote."""
    for folder in (f"jobs/{job.name}", f"stages/{job.name}", *(f"upstream/{source.name}" for source in job.sources)):
        for file in workspace.lake.walk(folder):
            if PurePosixPath(file.path).name.startswith(".") and not _is_young(workspace, file.modified):
                yield Removal(Kind.UNFINISHED_FILE, file.path, file.bytes, file.modified)


def _plan_docs(workspace: Workspace, job: Job) -> Iterator[Removal]:
    superseded = DataDocs(workspace.lake, job.name, job.retention.data_docs).superseded()
    for file in workspace.lake.walk(f"jobs/{job.name}/data_docs/nights") if superseded else ():
        if PurePosixPath(file.path).stem in superseded:
            yield Removal(Kind.DATA_DOCS, file.path, file.bytes, file.modified)


def _plan_logs(workspace: Workspace, job: Job) -> Iterator[Removal]:
    """Old logs under the home: of this job's tasks, and of the services on this machine."""
    root = workspace.settings.home / "logs"
    own = {f"dag_id={dag}_{job.name}" for dag in DAGS}
    for path in sorted(root.rglob("*")):
        dags = [part for part in path.relative_to(root).parts if part.startswith("dag_id=")]
        if path.is_symlink() or not path.is_file() or (dags and dags[0] not in own):
            continue
        facts = path.stat()
        modified = datetime.fromtimestamp(facts.st_mtime, UTC)
        if workspace.wall_clock() - modified >= max(job.retention.logs, GRACE):
            yield Removal(Kind.LOG, str(path), facts.st_size, modified)
