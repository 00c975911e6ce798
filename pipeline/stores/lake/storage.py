"""Where the files of a lake are: the base of every kind, which is any file system that fsspec knows.

Paths are relative to the root, and were checked by the lake.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast


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


class Storage:
    """Files under one root.

    Args:
        files: fsspec's file system, which remembers no listings: what another process wrote is seen at once.
        root: in that file system.
    """

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root

    def url(self, path: str = "") -> str:
        """Where a file is, or the root, for people and other programs."""
        return cast("str", self._files.unstrip_protocol(self._full(path)))

    def disk_usage(self) -> tuple[int, int] | None:
        """Total and free bytes; None where the end is not known."""
        return None

    def keeps_versions(self, path: str) -> bool:
        """Whether a file that is there stays as an older version when it is replaced or removed."""
        return False

    def size(self, path: str) -> int:
        """Bytes of a file; FileNotFoundError if there is none."""
        with self.explained(path):
            return int(self._files.size(self._full(path)))

    def open(self, path: str) -> BinaryIO:
        """A file, for reading; FileNotFoundError if there is none."""
        with self.explained(path):
            return cast("BinaryIO", self._files.open(self._full(path), "rb"))

    def read(self, path: str) -> bytes:
        """All of a file; FileNotFoundError if there is none."""
        with self.explained(path):
            return cast("bytes", self._files.cat_file(self._full(path)))

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            with self.explained(path):
                self._files.info(self._full(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def list(self, folder: str) -> list[str]:
        """Base names in a folder, in no particular order; empty if there is no such folder."""
        full = PurePosixPath(self._full(folder))
        try:
            with self.explained(folder):
                entries = map(PurePosixPath, self._files.ls(str(full), detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [entry.name for entry in entries if entry != full]

    def walk(self, folder: str) -> Iterator[StoredFile]:
        """Every file below a folder, in order of path; none if there is no such folder."""
        try:
            with self.explained(folder):
                found: dict[str, dict[str, Any]] = self._files.find(self._full(folder), detail=True)
        except FileNotFoundError:
            return
        for path, facts in sorted(found.items()):
            if facts["type"] == "file" and not path.endswith("/"):  # of consoles, for a folder that is empty
                inside = PurePosixPath(path).relative_to(self._root)
                yield StoredFile(str(inside), facts["size"] or 0, self._read_time(path, facts))

    def create(self, path: str, content: bytes) -> bool:
        """Put a file, whole, if there is none; False if there is one."""
        try:
            self._files.pipe_file(self._full(path), content, mode="create")
        except FileExistsError:
            return False
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Put a file, whole, over whatever is there."""
        with self.explained(path):
            self._files.pipe_file(self._full(path), content)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens if there is none."""
        full = self._full(path)
        if self._files.exists(full):
            self._files.rm(full, recursive=True)

    def explained(self, path: str) -> AbstractContextManager[None]:
        """Turn what the file system raises in the body into Nightjar's errors, where it takes explaining."""
        return nullcontext()

    def _full(self, path: str) -> str:
        return str(PurePosixPath(self._root, path))

    def _read_time(self, path: str, facts: dict[str, Any]) -> datetime:
        """When a file was written: file systems call it by different names."""
        written = next((facts[name] for name in ("mtime", "LastModified", "updated", "created") if name in facts), None)
        if isinstance(written, int | float):
            return datetime.fromtimestamp(written, UTC)
        if isinstance(written, datetime):
            return written if written.tzinfo is not None else written.replace(tzinfo=UTC)
        modified: datetime = self._files.modified(path)
        return modified
