"""The files of the lake that hold rows of an entity, and the same files without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.job import Job
from pipeline.stages.erase import drop_rows, find_rows
from pipeline.stores.deliveries import MARKER as DELIVERY_MARKER
from pipeline.stores.deliveries import name_delivery
from pipeline.stores.parquet import rewrite_parquet
from pipeline.stores.redactions import Redacted
from pipeline.stores.stage_outputs import MANIFEST
from pipeline.tasks.validating import STAGE as VALIDATE_STAGE
from pipeline.tasks.workspace import Workspace

SCORED_ID = "entity_id"
"""What scores call the id, whatever the job's population calls it."""


@dataclass(frozen=True)
class Folder:
    """One delivery, output or tile that holds the entity.

    Attributes:
        what: ``delivery``, the name of a stage, or ``tile``.
        path: in the lake.
        rows: of the entity, by the name of the file.
        strays: those files among them that no marker and no manifest names: what a broken run left.
    """

    what: str
    path: str
    rows: dict[str, int] = field(default_factory=dict)
    strays: frozenset[str] = frozenset()


class EntityFiles:
    """The rows of one entity in the lake of one job: deliveries of its sources, outputs of its stages, their tiles.

    Rows are told by the job's entity id column; sources that name the entity in a column of another name are not known
    to be about it.
    """

    def __init__(self, workspace: Workspace, job: Job, entity_id: str) -> None:
        self._workspace = workspace
        self._lake = workspace.lake
        self._job = job
        self._id = entity_id
        self.unread: list[str] = []
        """Files that could not be searched, after a search."""

    def find(self) -> Iterator[Folder]:
        """Everything that holds the entity: deliveries first, then outputs, then tiles."""
        self.unread = []
        yield from self._find_deliveries()
        yield from self._find_outputs()
        yield from self._find_tiles()

    def erase(self, folder: Folder) -> None:
        """Take the entity out of a folder that :meth:`find` gave."""
        for name in folder.strays:
            self._lake.remove(f"{folder.path}/{name}")
        redacted = {name: self._redact(folder, name) for name in folder.rows.keys() - folder.strays}
        if not redacted:
            return
        if folder.what == "tile":
            for name, file in redacted.items():
                self._lake.replace(f"{folder.path}/{name}", file.content)
        elif folder.what == "delivery":
            source, partition, digest = name_delivery(folder.path)
            deliveries = self._workspace.deliveries
            deliveries.redact(deliveries.get(source, partition, digest), redacted)
        else:
            outputs = self._workspace.outputs(self._job)
            output = outputs.load(folder.what, PurePosixPath(folder.path).name)
            labels = outputs.labels(output)
            outputs.redact(output, {labels[name]: file for name, file in redacted.items()})

    def _find_deliveries(self) -> Iterator[Folder]:
        for source in self._job.sources:
            for path in self._walk(f"upstream/{source.name}"):
                yield from self._search("delivery", path, self._named_by_marker)

    def _find_outputs(self) -> Iterator[Folder]:
        for path in self._walk(f"stages/{self._job.name}"):
            stage = PurePosixPath(path).parent.name
            yield from self._search(stage, path, partial(self._named_by_manifest, stage))

    def _find_tiles(self) -> Iterator[Folder]:
        outputs = self._workspace.outputs(self._job)
        addresses = self._lake.list(f"stages/{self._job.name}/{VALIDATE_STAGE}")
        own = {outputs.load(VALIDATE_STAGE, address).digest for address in addresses if self._is_made(address)}
        for path in self._walk("tiles"):
            if PurePosixPath(path).name in own:
                yield from self._search("tile", path, lambda path: set(self._files[path]))

    def _is_made(self, address: str) -> bool:
        return self._lake.exists(f"stages/{self._job.name}/{VALIDATE_STAGE}/{address}/{MANIFEST}")

    def _walk(self, root: str) -> list[str]:
        """Folders below ``root`` that hold Parquet files, finished or not."""
        self._files: dict[str, list[str]] = {}
        for file in self._lake.walk(root):
            path = PurePosixPath(file.path)
            if ".parquet" in path.name:
                self._files.setdefault(str(path.parent), []).append(path.name)
        return sorted(self._files)

    def _search(self, what: str, path: str, list_named: Callable[[str], set[str]]) -> Iterator[Folder]:
        rows = {name: found for name in sorted(self._files[path]) if (found := self._count(f"{path}/{name}"))}
        if rows:
            yield Folder(what, path, rows, frozenset(rows.keys() - list_named(path)))

    def _count(self, path: str) -> int:
        """Rows of the entity in a file; only the columns that may hold its id are read."""
        try:
            with self._lake.open(path) as stream:
                file = pq.ParquetFile(stream)
                columns = [name for name in self._columns if name in file.schema_arrow.names]
                if not columns:
                    return 0
                batches = file.iter_batches(columns=columns)
                return sum(self._count_rows(pa.Table.from_batches([batch])) for batch in batches)
        except FileNotFoundError:
            return 0  # removed since it was listed
        except (pa.ArrowException, OSError):
            self.unread.append(path)
            return 0

    def _count_rows(self, table: pa.Table) -> int:
        return pc.sum(find_rows(table, self._columns, self._id)).as_py() or 0

    def _redact(self, folder: Folder, name: str) -> Redacted:
        change = partial(drop_rows, columns=self._columns, entity_id=self._id)
        content, rows = rewrite_parquet(self._lake.read_bytes(f"{folder.path}/{name}"), change)
        return Redacted(content, rows, folder.rows[name])

    @property
    def _columns(self) -> tuple[str, ...]:
        return (self._job.entity_id, SCORED_ID)

    def _named_by_marker(self, path: str) -> set[str]:
        if not self._lake.exists(f"{path}/{DELIVERY_MARKER}"):
            return set()
        return {file.name for file in self._workspace.deliveries.get(*name_delivery(path)).files}

    def _named_by_manifest(self, stage: str, path: str) -> set[str]:
        if not self._lake.exists(f"{path}/{MANIFEST}"):
            return set()
        outputs = self._workspace.outputs(self._job)
        return set(outputs.labels(outputs.load(stage, PurePosixPath(path).name)))
