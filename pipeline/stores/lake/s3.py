"""A lake on an object store that speaks the S3 API.

An object appears whole when its upload has ended, big ones in parts too, and is seen by everybody from then on.  What
may exist only once is a conditional write (``If-None-Match: *``), of which the store lets one win.  Where the store is
and who may use it is read by AWS's own library, from the ``AWS_*`` variables, its files, or the machine's role.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, BinaryIO, cast

from pipeline.stores.lake.s3_errors import FAILURES, code_of, explain_failure
from pipeline.stores.lake.storage import Storage

OPTIONS = {"max_concurrency": 1}
"""An object is read in one request: ranges that are read beside one another may be of two versions of it."""

_WRITER = "nightjar-writer"
_ATTEMPTS = 5
_REFUSALS = {"ConditionalRequestConflict", "NoSuchUpload", "PreconditionFailed"}


class S3(Storage):
    """Objects of one bucket whose keys begin with one prefix."""

    def keeps_versions(self, path: str) -> bool:
        """Whether the bucket kept an object that is there when it was replaced or removed."""
        with self.explained(path):
            return self._files.info(self._full(path))["VersionId"] not in {None, "null"}

    def open(self, path: str) -> BinaryIO:
        """An object, for reading in blocks, all of which are of one version of it."""
        stream = _Stream(super().open(path), partial(self.explained, path))
        return cast("BinaryIO", io.BufferedReader(stream))

    def create(self, path: str, content: bytes) -> bool:
        """Put an object if there is none.

        A write whose answer was lost is sent again, and is then refused because of itself.  So each names its writer,
        and of an object that is in the way it is asked who wrote it.
        """
        full, writer = self._full(path), uuid.uuid4().hex
        with self.explained(path):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._files.pipe_file(full, content, mode="create", Metadata={_WRITER: writer})
                except OSError as error:
                    refused = code_of(error) in _REFUSALS
                    if refused and (in_the_way := self._find_writer(full)) is not None:
                        return in_the_way == writer
                    if not refused or attempt == _ATTEMPTS:
                        raise  # else what was in the way is gone by now
                else:
                    break
        return True

    def remove(self, path: str) -> None:
        """Remove an object, or all below it, one after the other: s3fs's own way tells of no object that stayed."""
        with self.explained(path):
            for found in self._files.find(self._full(path)):
                self._files.rm_file(found)

    @contextmanager
    def explained(self, path: str) -> Iterator[None]:
        """Turn what goes wrong in the body into Nightjar's errors; an object that is not there stays what it is."""
        try:
            yield
        except FAILURES as error:
            explanation = explain_failure(error, self.url(path))
            if explanation is None:
                raise
            raise explanation from error

    def _find_writer(self, full: str) -> str | None:
        """Who wrote an object, empty if that is not known; None if there is no such object."""
        try:
            return cast("dict[str, str]", self._files.metadata(full)).get(_WRITER, "")
        except FileNotFoundError:
            return None


class _Stream(io.RawIOBase):
    """An object that is read in blocks, and whose failures are explained."""

    def __init__(self, blocks: Any, explained: Callable[[], AbstractContextManager[None]]) -> None:
        self._blocks = blocks
        self._explained = explained

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._explained():
            return cast("int", self._blocks.readinto(buffer))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return cast("int", self._blocks.seek(offset, whence))

    def tell(self) -> int:
        return cast("int", self._blocks.tell())

    def close(self) -> None:
        self._blocks.close()
        super().close()
