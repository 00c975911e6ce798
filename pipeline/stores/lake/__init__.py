"""The lake: files under one root, on a local disk, on S3, or on any file system that fsspec knows.

Files are put whole or not at all.  What may exist only once is put if absent, which is an exclusive create on local
disks and on object stores alike; nothing here renames across an object store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from pipeline.digests import canonical_json
from pipeline.errors import DamagedError
from pipeline.stores.lake.opening import open_storage
from pipeline.stores.lake.storage import StoredFile

__all__ = ["Lake", "StoredFile"]


class Lake:
    """Bytes by path.  Every path is relative to the root, with ``/`` between its parts.

    Every method may raise OSError on a disk, and UnavailableError on an object store.
    """

    def __init__(self, root: str) -> None:
        self._storage = open_storage(root)

    @property
    def root(self) -> str:
        """Where the lake is, for people."""
        return self._storage.url()

    def url(self, path: str) -> str:
        """Where ``path`` is, for people and other programs."""
        return self._storage.url(_inside(path))

    def disk_usage(self) -> tuple[int, int] | None:
        """Total and free bytes of the disk; None for an object store, whose end is not known."""
        return self._storage.disk_usage()

    def keeps_versions(self, path: str) -> bool:
        """Whether a file that is there stays as an older version when it is replaced or removed.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self._storage.keeps_versions(_inside(path))

    def size(self, path: str) -> int:
        """Bytes of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self._storage.size(_inside(path))

    def open(self, path: str) -> BinaryIO:
        """Open ``path`` for reading.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self._storage.open(_inside(path))

    def read_bytes(self, path: str) -> bytes:
        """All of ``path``.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self._storage.read(_inside(path))

    def exists(self, path: str) -> bool:
        """Whether ``path`` is a file or a folder, asked of the storage itself."""
        return self._storage.exists(_inside(path))

    def list(self, folder: str) -> list[str]:
        """Sorted base names in ``folder``; empty if there is no such folder.  Unfinished files are left out."""
        return sorted(name for name in self._storage.list(_inside(folder)) if not name.startswith("."))

    def walk(self, folder: str) -> Iterator[StoredFile]:
        """Every file below ``folder``, unfinished ones too, in order of path; none if there is no such folder."""
        return self._storage.walk(_inside(folder))

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Create ``path`` with ``content``, whole; False if it was there already, which is then left as it is."""
        return self._storage.create(_inside(path), content)

    def replace(self, path: str, content: bytes) -> None:
        """Put ``content`` at ``path``, whole, over whatever was there."""
        self._storage.replace(_inside(path), content)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens if there is none."""
        self._storage.remove(_inside(path))

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


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or ".." in parts or path.startswith("/"):
        raise ValueError(f"{path!r} is not a path inside the lake")
    return "/".join(parts)
