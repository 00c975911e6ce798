"""A lake on a local disk: files are written aside, flushed, and given their name."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from pipeline.stores.lake.storage import Storage


class Disk(Storage):
    """Files under one folder."""

    def disk_usage(self) -> tuple[int, int]:
        """Total and free bytes of the disk."""
        Path(self._root).mkdir(parents=True, exist_ok=True)
        usage = shutil.disk_usage(self._root)
        return usage.total, usage.free

    def create(self, path: str, content: bytes) -> bool:
        """Put a file, whole, if there is none: a link is refused where something has that name."""
        full = Path(self._full(path))
        unfinished = _write_aside(full, content)
        try:
            os.link(unfinished, full)
        except FileExistsError:
            return False
        finally:
            unfinished.unlink()
        _sync_folder(full.parent)
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Put a file, whole, over whatever is there."""
        full = Path(self._full(path))
        _write_aside(full, content).replace(full)
        _sync_folder(full.parent)


def _write_aside(target: Path, content: bytes) -> Path:
    """Write ``content`` to a new file beside ``target``, flushed to disk."""
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
