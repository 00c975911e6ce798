"""Deliveries: how upstream data lands in the lake, and how it is found and checked again.

    upstream/<source>/partition=<D>/delivery=<digest>/part-0000.parquet …  and  _delivery.json, put last

A delivery is immutable, but for the entities that are erased from it (:mod:`pipeline.stores.redactions`).  It exists
when its marker does; the marker holds the row count, the size and the digest of every file.  ``docs/deliveries.md``
describes the format for upstream systems that land by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pipeline.digests import digest_bytes, digest_json, digest_stream
from pipeline.errors import BadInputError
from pipeline.stores.lake import Lake
from pipeline.stores.parquet import encode_parquet
from pipeline.stores.redactions import Redacted, read_redactions, redact_files
from pipeline.threads import map_ahead

MARKER = "_delivery.json"
_PARTITION_FOLDER = re.compile(r"partition=[0-9]{4}-[0-9]{2}-[0-9]{2}")


class DeliveredFile(BaseModel):
    """One Parquet file of a delivery."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    rows: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Delivery(BaseModel):
    """One landing of a source's partition, as its marker describes it; what was erased since is not in it any more.

    Attributes:
        rows, files: those that are there now.
        redaction: digest of what is there in the place of files that an erasure rewrote; None if none was.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    partition: str
    digest: str
    landed_at: AwareDatetime
    rows: int = Field(ge=0)
    files: tuple[DeliveredFile, ...]
    redaction: str | None = Field(default=None, exclude=True)

    @property
    def folder(self) -> str:
        """Where the delivery is, relative to the lake's root."""
        return f"{_partition_folder(self.source, self.partition)}/delivery={self.digest}"

    def identify(self) -> str:
        """The digest that names this delivery: of its source, partition and files, not of the time it landed."""
        files = [[file.name, file.rows, file.sha256] for file in self.files]
        return digest_json({"source": self.source, "partition": self.partition, "files": files})


def _partition_folder(source: str, partition: str) -> str:
    return f"upstream/{source}/partition={partition}"


def name_delivery(folder: str) -> tuple[str, str, str]:
    """Source, partition and digest of the delivery in this folder."""
    _, source, partition, delivery = PurePosixPath(folder).parts
    return source, partition.removeprefix("partition="), delivery.removeprefix("delivery=")


class Deliveries:
    """The deliveries of all sources.

    Args:
        known_by: deliveries that landed after this moment are not found; by name they are.
    """

    def __init__(self, lake: Lake, known_by: datetime | None = None) -> None:
        self._lake = lake
        self._known_by = known_by
        self._known: dict[tuple[str, str, str], Delivery] = {}

    def land(
        self, source: str, partition: date, tables: Sequence[pa.Table], landed_at: datetime
    ) -> tuple[Delivery, bool]:
        """Land ``tables`` as one delivery, one Parquet file a table.

        Landing the same again changes nothing: a delivery is named by what is in it.

        Returns:
            The delivery, and whether it is new.
        """
        contents = [encode_parquet(table) for table in tables]
        files = tuple(
            DeliveredFile(
                name=f"part-{number:04d}.parquet", rows=table.num_rows, bytes=len(content), sha256=digest_bytes(content)
            )
            for number, (table, content) in enumerate(zip(tables, contents, strict=True))
        )
        draft = Delivery(
            source=source,
            partition=partition.isoformat(),
            digest="",
            landed_at=landed_at.astimezone(UTC),
            rows=sum(file.rows for file in files),
            files=files,
        )
        delivery = draft.model_copy(update={"digest": draft.identify()})
        marker = f"{delivery.folder}/{MARKER}"
        if self._lake.exists(marker):
            return self._read(source, delivery.partition, delivery.digest), False
        for file, content in zip(files, contents, strict=True):
            self._lake.replace(f"{delivery.folder}/{file.name}", content)
        is_new = self._lake.put_json_if_absent(marker, delivery.model_dump(mode="json"))
        return delivery, is_new

    def get(self, source: str, partition: str, digest: str) -> Delivery:
        """The delivery of this name.

        Raises:
            FileNotFoundError: it never landed, or was removed.
        """
        return self._read(source, partition, digest)

    def newest(self, source: str, partition: str) -> Delivery | None:
        """The delivery of this partition that landed last; None while there is none."""
        found = self.all_of(source, partition)
        return max(found, key=lambda delivery: (delivery.landed_at, delivery.digest), default=None)

    def newest_as_of(self, source: str, partition: str) -> Delivery | None:
        """The newest delivery of the newest partition up to and including this one: how dimensions are found."""
        for candidate in reversed(self.partitions(source)):
            if candidate <= partition and (delivery := self.newest(source, candidate)) is not None:
                return delivery
        return None

    def partitions(self, source: str) -> list[str]:
        """Partitions that something was landed in, in order; folders of other names are nobody's."""
        return [
            name.removeprefix("partition=")
            for name in self._lake.list(f"upstream/{source}")
            if _PARTITION_FOLDER.fullmatch(name)
        ]

    def all_of(self, source: str, partition: str) -> list[Delivery]:
        """Every delivery of this partition, in order of digest; folders without a marker never landed."""
        folder = _partition_folder(source, partition)
        digests = [name.removeprefix("delivery=") for name in self._lake.list(folder)]
        landed = [
            self._read(source, partition, digest)
            for digest in digests
            if (source, partition, digest) in self._known or self._lake.exists(f"{folder}/delivery={digest}/{MARKER}")
        ]
        return [delivery for delivery in landed if self._known_by is None or delivery.landed_at <= self._known_by]

    def redact(self, delivery: Delivery, redacted: Mapping[str, Redacted]) -> Delivery:
        """Put files in the place of those of a delivery; its name stays.

        Args:
            redacted: by the name that a file has now.
        """
        names = {file.name: name for name, file in read_redactions(self._lake, delivery.folder).items()}
        redact_files(self._lake, delivery.folder, {names.get(name, name): file for name, file in redacted.items()})
        self._known.pop((delivery.source, delivery.partition, delivery.digest), None)
        return self._read(delivery.source, delivery.partition, delivery.digest)

    def remove(self, source: str, partition: str, digest: str) -> None:
        """Remove a delivery: its marker first, so that it has never landed if this breaks."""
        folder = f"{_partition_folder(source, partition)}/delivery={digest}"
        self._lake.remove(f"{folder}/{MARKER}")
        self._lake.remove(folder)
        self._known.pop((source, partition, digest), None)

    def verify(self, delivery: Delivery, job: str) -> None:
        """Read every file once and compare its size and digest with the marker's, in constant memory.

        Raises:
            BadInputError: a file is missing, cut short or altered, or the counts do not add up.
        """

        def digest(file: DeliveredFile) -> str:
            try:
                with self._lake.open(f"{delivery.folder}/{file.name}") as stream:
                    return digest_stream(stream)
            except FileNotFoundError:
                return "no such file"

        for file, found in zip(delivery.files, map_ahead(digest, delivery.files), strict=True):
            if found != file.sha256:
                raise _broken(delivery, job, f"{file.name} with SHA-256 {file.sha256}", found)
        counted = sum(file.rows for file in delivery.files)
        if counted != delivery.rows:
            raise _broken(delivery, job, f"{delivery.rows} rows, as the marker says", f"{counted} rows over its files")

    def _read(self, source: str, partition: str, digest: str) -> Delivery:
        """A delivery by name; its marker never changes, so it is read once."""
        name = (source, partition, digest)
        if name not in self._known:
            self._known[name] = self._apply_redactions(self._read_marker(source, partition, digest))
        return self._known[name]

    def _apply_redactions(self, landed: Delivery) -> Delivery:
        redactions = read_redactions(self._lake, landed.folder)
        if not redactions:
            return landed
        files = tuple(
            DeliveredFile(name=now.name, rows=now.rows, bytes=now.bytes, sha256=now.sha256) if now is not None else file
            for file, now in ((file, redactions.get(file.name)) for file in landed.files)
        )
        digest = digest_json({name: file.sha256 for name, file in redactions.items()})
        rows = sum(file.rows for file in files)
        return landed.model_copy(update={"files": files, "rows": rows, "redaction": digest})

    def _read_marker(self, source: str, partition: str, digest: str) -> Delivery:
        path = f"{_partition_folder(source, partition)}/delivery={digest}/{MARKER}"
        content: Any = self._lake.read_json(path)
        try:
            delivery = Delivery.model_validate(content).model_copy(update={"redaction": None})
        except ValidationError as error:
            raise BadInputError(
                f"the marker of a delivery of {source} cannot be read",
                partition=partition,
                expected=f"{path} as docs/deliveries.md describes it",
                found="; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()),
                next_step="land the partition again",
            ) from error
        named = (delivery.source, delivery.partition, delivery.digest)
        if named != (source, partition, digest) or delivery.identify() != digest:
            raise BadInputError(
                f"the marker of a delivery of {source} contradicts its place or its own digest",
                partition=partition,
                expected=f"source {source}, partition {partition}, digest {digest}",
                found=f"source {named[0]}, partition {named[1]}, digest {delivery.identify()} of what it lists",
                next_step="land the partition again",
            )
        return delivery


def _broken(delivery: Delivery, job: str, expected: str, found: str) -> BadInputError:
    return BadInputError(
        f"the delivery {delivery.digest[:12]} of {delivery.source} is not what its marker says",
        job=job,
        partition=delivery.partition,
        expected=expected,
        found=found,
        next_step="ask upstream to land the partition again; a re-delivery gets a name of its own and is taken instead",
    )
