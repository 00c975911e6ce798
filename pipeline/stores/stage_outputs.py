"""Outputs of stages, named by the digest of what they were made from.

    stages/<job>/<stage>/<digest of inputs>/   files, and manifest.json put last

An output exists when its manifest does, and never changes; files that no manifest names were never written.  Two
writers of the same output arrive at the same bytes, so neither has to know of the other.

What is erased is taken out of its files all the same (:mod:`pipeline.stores.redactions`): the manifest goes on saying
what was made, and the record beside it says what is left.  What is made of the rows that are left has other inputs,
hence another place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from pipeline.digests import canonical_json, digest_bytes, digest_json
from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake
from pipeline.stores.parquet import decode_parquet, encode_parquet
from pipeline.stores.redactions import Redacted, RedactedFile, Redactions, read_redactions, redact_files

MANIFEST = "manifest.json"


class OutputFile(BaseModel):
    """One file of an output."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    sha256: str


class Output(BaseModel):
    """A finished output of a stage: what it was made from, its files, and what is known of it.

    Attributes:
        inputs: what the stage was given: digests and settings.
        files: by role and shard, such as ``valid-0003``.
        facts: small results: counts, profiles, verdicts.  Deterministic, so no times in here.
    """

    model_config = ConfigDict(frozen=True)

    job: str
    stage: str
    inputs: dict[str, Any]
    files: dict[str, OutputFile]
    facts: dict[str, Any]

    @cached_property
    def address(self) -> str:
        """Digest of the inputs: where the output is."""
        return digest_json(self.inputs)

    @cached_property
    def digest(self) -> str:
        """Digest of the manifest: what the output is."""
        return digest_json(self.model_dump())

    @property
    def rows(self) -> dict[str, int]:
        """Rows by role of the files, added over shards."""
        counts: dict[str, int] = {}
        for label, file in self.files.items():
            role = label.rpartition("-")[0]
            counts[role] = counts.get(role, 0) + file.rows
        return counts

    def shards(self, role: str) -> list[str]:
        """Labels of the files with this role, in order of shard."""
        return sorted(label for label in self.files if label.rpartition("-")[0] == role)


def shard_label(role: str, shard: int) -> str:
    """Label of one shard's file: ``valid-0003``."""
    return f"{role}-{shard:04d}"


class StageOutputs:
    """The stage outputs of one job."""

    def __init__(self, lake: Lake, job: str) -> None:
        self._lake = lake
        self._job = job
        self._loaded: dict[tuple[str, str], Output] = {}
        self._redactions: dict[tuple[str, str], Redactions] = {}
        self._made: set[tuple[str, str]] = set()

    def find(self, stage: str, inputs: Mapping[str, Any]) -> Output | None:
        """The output made from exactly these inputs; None if nobody has made it yet."""
        address = digest_json(inputs)
        try:
            found = self.load(stage, address)
        except FileNotFoundError:
            return None
        self._made.discard((stage, address))
        return found

    def load(self, stage: str, address: str) -> Output:
        """The output at ``address``.

        Raises:
            FileNotFoundError: there is none.
            DamagedError: its manifest is not that of its place.
        """
        if (stage, address) not in self._loaded:
            path = f"{self._folder(stage, address)}/{MANIFEST}"
            output = Output.model_validate(self._lake.read_json(path))
            if output.address != address:
                raise DamagedError(
                    f"the manifest of {stage} does not belong where it is",
                    job=self._job,
                    expected=f"inputs with digest {address}",
                    found=f"inputs with digest {output.address}",
                    next_step=f"remove {self._lake.url(self._folder(stage, address))}; the next run makes it anew",
                )
            self._loaded[stage, address] = output
        return self._loaded[stage, address]

    def find_all(self, stage: str) -> list[Output]:
        """Every output of a stage, in no particular order.

        Raises:
            DamagedError: a manifest is not that of its place.
        """
        found = []
        for address in self._lake.list(f"stages/{self._job}/{stage}"):
            with suppress(FileNotFoundError):  # it is being made
                found.append(self.load(stage, address))
        return found

    def write(self, stage: str, inputs: Mapping[str, Any], label: str, table: pa.Table) -> OutputFile:
        """Write one file of an output that is being made.  Its name carries its digest."""
        return self.write_bytes(stage, inputs, label, encode_parquet(table), table.num_rows)

    def write_bytes(
        self, stage: str, inputs: Mapping[str, Any], label: str, content: bytes, rows: int, suffix: str = "parquet"
    ) -> OutputFile:
        """Write one ready-made file; what a broken disk left at its name is mended."""
        return self._put(stage, inputs, label, content, digest_bytes(content), rows, suffix)

    def write_same(
        self, stage: str, inputs: Mapping[str, Any], label: str, content: bytes, output: Output, of_label: str
    ) -> OutputFile:
        """Write the bytes that :meth:`read_bytes` gave of a Parquet file of another output, whose digest is known."""
        file = self._file_of(output, of_label)
        return self._put(stage, inputs, label, content, file.sha256, file.rows, "parquet")

    def read_group(self, stage: str, inputs: Mapping[str, Any], file: OutputFile, group: int) -> pa.Table:
        """One row group of a file that was written for an output in the making.

        Raises:
            OSError: the file is gone, or a page is not what was written.
        """
        with self._lake.open(f"{self._folder(stage, digest_json(inputs))}/{file.name}") as stream:
            return pq.ParquetFile(stream, page_checksum_verification=True).read_row_group(group)

    def discard(self, stage: str, inputs: Mapping[str, Any], files: Sequence[OutputFile]) -> None:
        """Remove files that were written for an output, and that it was not to have."""
        for file in files:
            self._lake.remove(f"{self._folder(stage, digest_json(inputs))}/{file.name}")

    def commit(
        self, stage: str, inputs: Mapping[str, Any], files: Mapping[str, OutputFile], facts: Mapping[str, Any]
    ) -> Output:
        """Make the output exist.

        Raises:
            DamagedError: it exists already, with other content: the stage is not deterministic, or bytes were altered.
        """
        output = Output(job=self._job, stage=stage, inputs=dict(inputs), files=dict(files), facts=dict(facts))
        path = f"{self._folder(stage, output.address)}/{MANIFEST}"
        content = canonical_json(output.model_dump()).encode()
        if not self._lake.put_if_absent(path, content) and self._lake.read_bytes(path) != content:
            raise DamagedError(
                f"{stage} was made before from the same inputs, with another result",
                job=self._job,
                expected=f"the bytes of {self._lake.url(path)}",
                found=f"another manifest, with digest {output.digest}",
                next_step="compare the library versions of the machines; a stage must give the same bytes every time",
            )
        self._made.add((stage, output.address))
        return output

    def is_new(self, output: Output) -> bool:
        """Whether it was made here, and not found done when it was asked for last."""
        return (output.stage, output.address) in self._made

    def read(self, output: Output, label: str, columns: list[str] | None = None) -> pa.Table:
        """One Parquet file of an output, whole, checked against its manifest.

        Raises:
            DamagedError: the file is gone or is not what the manifest says.
        """
        return decode_parquet(self.read_bytes(output, label), columns, is_checked=True)

    def read_bytes(self, output: Output, label: str) -> bytes:
        """The bytes of one file of an output, checked against its manifest.

        Raises:
            DamagedError: the file is gone or is not what the manifest says.
        """
        file = self._file_of(output, label)
        path = f"{self._folder(output.stage, output.address)}/{file.name}"
        try:
            content = self._lake.read_bytes(path)
            found = digest_bytes(content)
        except FileNotFoundError:
            if self._reread_redactions(output):
                return self.read_bytes(output, label)
            found = "no such file"
        if found != file.sha256:
            raise DamagedError(
                f"a file of {output.stage} is not what its manifest says",
                job=self._job,
                expected=f"{self._lake.url(path)} with SHA-256 {file.sha256}",
                found=found,
                next_step=f"remove {self._lake.url(path.rpartition('/')[0])}; the next run makes it anew",
            )
        return content

    def read_all(self, output: Output, role: str, columns: list[str] | None = None) -> pa.Table:
        """All shards with this role, one after the other."""
        return pa.concat_tables([self.read(output, label, columns) for label in output.shards(role)])

    def remove(self, stage: str, address: str) -> None:
        """Remove an output: its manifest first, so that it was never made if this breaks."""
        self._lake.remove(f"{self._folder(stage, address)}/{MANIFEST}")
        self._lake.remove(self._folder(stage, address))
        self._loaded.pop((stage, address), None)

    def redact(self, output: Output, redacted: Mapping[str, Redacted]) -> None:
        """Put files in the place of those with these labels; the output keeps its place and its manifest."""
        folder = self._folder(output.stage, output.address)
        redact_files(self._lake, folder, {output.files[label].name: file for label, file in redacted.items()})
        self._reread_redactions(output)

    def labels(self, output: Output) -> dict[str, str]:
        """The labels of an output's files by the names that they have now."""
        return {self._file_of(output, label).name: label for label in output.files}

    def is_redacted(self, output: Output) -> bool:
        """Whether something was erased from it since it was made."""
        self._reread_redactions(output)
        return bool(self._redactions_of(output))

    def count_rows(self, output: Output, role: str) -> int:
        """Rows with this role that are there now: those that were made, but for what was erased since."""
        return sum(self._file_of(output, label).rows for label in output.shards(role))

    def _put(
        self, stage: str, inputs: Mapping[str, Any], label: str, content: bytes, sha256: str, rows: int, suffix: str
    ) -> OutputFile:
        file = OutputFile(name=f"{label}-{sha256[:16]}.{suffix}", rows=rows, sha256=sha256)
        self._lake.replace(f"{self._folder(stage, digest_json(inputs))}/{file.name}", content)
        return file

    def _file_of(self, output: Output, label: str) -> OutputFile | RedactedFile:
        file = output.files[label]
        return self._redactions_of(output).get(file.name, file)

    def _redactions_of(self, output: Output) -> Redactions:
        if (output.stage, output.address) not in self._redactions:
            self._reread_redactions(output)
        return self._redactions[output.stage, output.address]

    def _reread_redactions(self, output: Output) -> bool:
        """Look for redactions again; returns whether there are others than before."""
        name = (output.stage, output.address)
        before = self._redactions.get(name, {})
        self._redactions[name] = read_redactions(self._lake, self._folder(*name))
        return self._redactions[name] != before

    def _folder(self, stage: str, address: str) -> str:
        return f"stages/{self._job}/{stage}/{address}"
