"""What was made of files of the lake, for a process that looks at the same files again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from pipeline.stores.lake import StoredFile

V = TypeVar("V")

_READERS = 16


class RememberedFiles(Generic[V]):
    """One value for every file, made anew when the file was replaced.  Threads may share it.

    A file is told by its path, size and time of writing.

    Args:
        most: values that are kept; those that were not asked for the longest are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[StoredFile, V] = OrderedDict()
        self._lock = Lock()

    def recall(self, files: Iterable[StoredFile], make: Callable[[StoredFile], V]) -> list[V]:
        """The values of ``files``, in their order; what is not known is made, in parallel."""
        wanted = list(files)
        with self._lock:
            known = {file: self._values[file] for file in wanted if file in self._values}
        unknown = [file for file in wanted if file not in known]
        if unknown:
            with ThreadPoolExecutor(_READERS) as readers:
                known.update(zip(unknown, readers.map(make, unknown), strict=True))
        with self._lock:
            for file in wanted:
                self._values[file] = known[file]
                self._values.move_to_end(file)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return [known[file] for file in wanted]
