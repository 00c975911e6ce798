"""What of a job's lake is still reached: by releases that are kept, by runs, by models that served, by coming nights.

Everything in the lake refers to what it was made of by digest or address, which are SHA-256 in hexadecimal.  So
whatever is named by such a text in a kept document is kept, and what that names in turn.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from pipeline.job import Job
from pipeline.stores.ledger_events import Event
from pipeline.stores.stage_outputs import MANIFEST, Output
from pipeline.tasks.feature_sets import load_feature_set
from pipeline.tasks.judging import find_judgement
from pipeline.tasks.manifests import list_releases, read_manifest
from pipeline.tasks.partitioned_tiles import STAGE as TILES
from pipeline.tasks.partitions import find_delivery, trailing_days
from pipeline.tasks.retraining import EVALUATE_STAGE, choose_own_verdicts
from pipeline.tasks.validating import find_validated
from pipeline.tasks.workspace import Workspace

GRACE = timedelta(days=2)
"""What was written within this time may belong to a run that is under way."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StoredOutput:
    """A folder of the stages.

    Attributes:
        output: None if it has no manifest: a run broke before it was done.
        modified: when its newest file was written.
    """

    path: str
    output: Output | None
    bytes: int
    modified: datetime


def list_outputs(workspace: Workspace, job: Job) -> list[StoredOutput]:
    """Every output of the job's stages, finished or not."""
    folders: dict[str, list[Any]] = {}
    for file in workspace.lake.walk(f"stages/{job.name}"):
        folders.setdefault(str(PurePosixPath(file.path).parent), []).append(file)
    outputs = workspace.outputs(job)
    found = []
    for path, files in folders.items():
        stage, address = PurePosixPath(path).parts[-2:]
        is_made = any(PurePosixPath(file.path).name == MANIFEST for file in files)
        output = outputs.load(stage, address) if is_made else None
        size, modified = sum(file.bytes for file in files), max(file.modified for file in files)
        found.append(StoredOutput(path, output, size, modified))
    return found


def find_reached(
    workspace: Workspace, job: Job, stored: Iterable[StoredOutput], generations: Collection[str]
) -> set[str]:
    """Every digest and address that is named by something that is kept, however indirectly.

    Args:
        generations: that Redis keeps.

    Raises:
        DamagedError: a document cannot be read, so that what it names is not known.
    """
    made = [item.output for item in stored if item.output is not None]
    by_name = {name: output for output in made for name in (output.digest, output.address)}
    young = [
        item.output for item in stored if item.output is not None and workspace.wall_clock() - item.modified < GRACE
    ]
    judged = choose_own_verdicts(workspace, job, (output for output in made if output.stage == EVALUATE_STAGE))
    waiting = [output.address for output in (*young, *judged, *_find_wanted(workspace, job))]
    for document in _list_kept_documents(workspace, job, generations):
        waiting += find_digests(document)
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            if (output := by_name.get(name)) is not None:
                waiting += [output.digest, output.address, *find_digests(output.inputs), *find_digests(output.facts)]
    return reached | _find_tiles(made, reached)


def _find_tiles(made: Iterable[Output], reached: Collection[str]) -> set[str]:
    """Tiles in partitions stay with their validated delivery: later windows are made of them."""
    return {output.address for output in made if output.stage == TILES and output.inputs["validated"] in reached}


def find_model_digests(workspace: Workspace, job: Job, documents: Iterable[str], reached: Collection[str]) -> set[str]:
    """Digests that the names of model files begin with, of all models that anything speaks of.

    Args:
        documents: paths of what replays have written, their ledgers among it; production's ledger is read as well.
        reached: as :func:`find_reached` says.
    """
    named = {version.registration.model_digest for version in workspace.ledger(job).versions()} | set(reached)
    for path in documents:
        named.update(find_digests(workspace.lake.read_json(path)))
    kept = set(named)
    for file in workspace.lake.walk(f"jobs/{job.name}/artifacts"):
        name = PurePosixPath(file.path).name
        if name.endswith(".json") and name.partition(".")[0] in named:
            kept.update(find_digests(workspace.lake.read_json(file.path)))
    return kept


def find_digests(value: Any) -> Iterator[str]:
    """Every digest in a JSON document."""
    if isinstance(value, str):
        if _DIGEST.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find_digests(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from find_digests(item)


def _find_oldest(job: Job, released: Iterable[str]) -> str:
    """The first partition whose releases keep what they were made of."""
    newest = sorted(set(released), reverse=True)[: job.retention.nights]
    return newest[-1] if newest else job.first_partition.isoformat()


def _list_kept_documents(workspace: Workspace, job: Job, generations: Collection[str]) -> Iterator[Any]:
    """Release manifests, run records and registrations of models whose data must stay."""
    lake = workspace.lake
    manifests = [read_manifest(workspace, job, generation) for generation in list_releases(workspace, job)]
    oldest = _find_oldest(job, (manifest["partition"] for manifest in manifests))
    for manifest in manifests:
        if manifest["partition"] >= oldest or manifest["generation"] in generations:
            yield manifest
    for file in lake.walk(f"jobs/{job.name}/runs"):
        partition = PurePosixPath(file.path).parts[3]
        if partition >= oldest or workspace.wall_clock() - file.modified < GRACE:
            yield lake.read_json(file.path)
    events = workspace.ledger(job).events()
    for version in _list_kept_models(events, oldest):
        yield [event.model_dump(mode="json") for event in events if event.model_version == version]


def _list_kept_models(events: list[Event], oldest: str) -> set[str]:
    """Versions that ever were champion, and challengers of kept partitions."""
    return {
        event.model_version
        for event in events
        if event.kind == "promoted" or (event.registration is not None and event.registration.partition >= oldest)
    }


def _find_wanted(workspace: Workspace, job: Job) -> Iterator[Output]:
    """Validated deliveries that a night or a training would take now."""
    newest = max(workspace.deliveries.partitions(job.population.name), default=None)
    if newest is None:
        return
    feature_set = load_feature_set(job)
    for source in job.sources:
        window = max(feature_set.longest_window(source.name), job.trailing_profiles + 1)
        training = job.training.window + job.gap + job.training.holdout
        labels = job.label.closes_after  # of nights before the newest, and of the newest itself
        until = (date.fromisoformat(newest) + timedelta(days=labels)).isoformat()
        for day in trailing_days(job, until, training + 2 * labels + window):
            delivery = find_delivery(workspace, source, day)
            if delivery is None or (rows := find_validated(workspace, job, source, delivery)) is None:
                continue
            yield rows
            if source.suite is not None:
                judgement = find_judgement(workspace, job, source, delivery, rows)
                if judgement is not None:
                    yield judgement
