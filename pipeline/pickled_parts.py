"""All that an object consists of, as a pickle of it would: every class, function and object that is not built in."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any


def visit_parts(whole: Any, visit: Callable[[Any], None]) -> None:
    """Show ``visit`` every part of ``whole``, each once, in the order in which pickling comes across them.

    joblib's own pickler would not do: it hands arrays of objects on to another one.

    Raises:
        Exception: whatever a part raises that cannot be pickled.
    """
    _Visitor(visit).dump(whole)


class _Visitor(pickle.Pickler):
    """Pickles to nowhere."""

    def __init__(self, visit: Callable[[Any], None]) -> None:
        super().__init__(_Nowhere(), protocol=pickle.HIGHEST_PROTOCOL)
        self._visit = visit

    def reducer_override(self, obj: Any) -> Any:
        """Called for every class, function and object that is not built in; changes nothing."""
        self._visit(obj)
        return NotImplemented


class _Nowhere:
    def write(self, content: bytes | pickle.PickleBuffer) -> int:
        """Large arrays come as buffers."""
        return memoryview(content).nbytes
