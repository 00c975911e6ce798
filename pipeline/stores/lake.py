"""The lake: files under one root, on a local disk or any file system that fsspec knows.

Files are put whole or not at all.  What may exist only once is put if absent, which is an exclusive create on local
disks and on object stores alike; nothing here renames across an object store.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.digests import canonical_json
from pipeline.errors import DamagedError


@dataclass(frozen=True)
class StoredFile:
    """A file of the lake.

    Attributes:
        path: relative to the lake's root.
        bytes: its size.
        modified: when it was written.
    """

    path: str
    bytes: int
    modified: datetime


class Lake:
    """Bytes by path.  Every path is relative to the root, with ``/`` between its parts."""

    def __init__(self, root: str) -> None:
        self._files, self._root = fsspec.core.url_to_fs(root)
        self._local = isinstance(self._files, LocalFileSystem)

    @property
    def root(self) -> str:
        """Where the lake is, for people."""
        return cast("str", self._files.unstrip_protocol(self._root))

    def url(self, path: str) -> str:
        """Where ``path`` is, for people and other programs."""
        return cast("str", self._files.unstrip_protocol(self._full(path)))

    def disk_usage(self) -> tuple[int, int] | None:
        """Total and free bytes of the disk; None for an object store, whose end is not known."""
        if not self._local:
            return None
        Path(self._root).mkdir(parents=True, exist_ok=True)
        usage = shutil.disk_usage(self._root)
        return usage.total, usage.free

    def size(self, path: str) -> int:
        """Bytes of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return int(self._files.size(self._full(path)))

    def open(self, path: str) -> BinaryIO:
        """Open ``path`` for reading.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return cast("BinaryIO", self._files.open(self._full(path), "rb"))

    def read_bytes(self, path: str) -> bytes:
        """All of ``path``.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return cast("bytes", self._files.cat_file(self._full(path)))

    def exists(self, path: str) -> bool:
        """Whether ``path`` is a file or a folder, asked of the storage itself."""
        self._files.invalidate_cache()
        return bool(self._files.exists(self._full(path)))

    def list(self, folder: str) -> list[str]:
        """Sorted base names in ``folder``; empty if there is no such folder.  Unfinished files are left out."""
        self._files.invalidate_cache()
        try:
            entries = self._files.ls(self._full(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = (PurePosixPath(entry).name for entry in entries)
        return sorted(name for name in names if not name.startswith("."))

    def walk(self, folder: str) -> Iterator[StoredFile]:
        """Every file below ``folder``, unfinished ones too, in order of path; none if there is no such folder."""
        self._files.invalidate_cache()
        try:
            found: dict[str, dict[str, Any]] = self._files.find(self._full(folder), detail=True)
        except FileNotFoundError:
            return
        for path, facts in sorted(found.items()):
            if facts["type"] == "file":
                inside = PurePosixPath(path).relative_to(self._root)
                yield StoredFile(str(inside), facts["size"] or 0, self._read_time(path, facts))

    def _read_time(self, path: str, facts: dict[str, Any]) -> datetime:
        """When a file was written: file systems call it by different names."""
        written = next((facts[name] for name in ("mtime", "LastModified", "updated", "created") if name in facts), None)
        if isinstance(written, int | float):
            return datetime.fromtimestamp(written, UTC)
        if isinstance(written, datetime):
            return written if written.tzinfo is not None else written.replace(tzinfo=UTC)
        modified: datetime = self._files.modified(path)
        return modified

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Create ``path`` with ``content``, whole; False if it was there already, which is then left as it is."""
        full = self._full(path)
        if not self._local:
            try:
                self._files.pipe_file(full, content, mode="create")
            except FileExistsError:
                return False
            return True
        unfinished = self._write_aside(full, content)
        try:
            os.link(unfinished, full)
        except FileExistsError:
            return False
        finally:
            unfinished.unlink()
        _sync_folder(Path(full).parent)
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``, whole, over whatever was there."""
        full = self._full(path)
        if self._local:
            self._write_aside(full, content).replace(full)
            _sync_folder(Path(full).parent)
        else:
            self._files.pipe_file(full, content)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens if there is none."""
        full = self._full(path)
        if self._files.exists(full):
            self._files.rm(full, recursive=True)

    def read_json(self, path: str) -> Any:
        """The JSON document at ``path``.

        Raises:
            FileNotFoundError: there is no such file.
            DamagedError: it is not JSON.
        """
        try:
            return json.loads(self.read_bytes(path))
        except ValueError as error:
            raise DamagedError(
                f"{self.url(path)} is not JSON",
                found=str(error),
                next_step="restore the file from a backup of the lake",
            ) from error

    def put_json_if_absent(self, path: str, value: Any) -> bool:
        """Create ``path`` with ``value`` as canonical JSON; False if it was there already."""
        return self.put_if_absent(path, canonical_json(value).encode())

    def replace_json(self, path: str, value: Any) -> None:
        """Put ``value`` as canonical JSON at ``path``, over whatever was there."""
        self.replace(path, canonical_json(value).encode())

    def _full(self, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/"):
            raise ValueError(f"{path!r} is not a path inside the lake")
        return str(PurePosixPath(self._root, *parts))

    def _write_aside(self, full: str, content: bytes) -> Path:
        """Write ``content`` to a new file beside ``full``, flushed to disk."""
        target = Path(full)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        with unfinished.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        return unfinished


def _sync_folder(folder: Path) -> None:
    """Make a new name in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
