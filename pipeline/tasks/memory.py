"""What a process of a replay has made before.

Values are kept compressed: joblib ends processes that have grown by 300 MB, and with them would go what they remember.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TypeVar, cast

Value = TypeVar("Value")

FAST = 1


class Memory:
    """Values by name, in this process.  Each is given out as a copy of its own."""

    def __init__(self) -> None:
        self._packed: dict[Hashable, bytes] = {}

    def recall(self, name: Hashable, make: Callable[[], Value]) -> Value:
        """What ``make`` gives, or gave before under this name."""
        packed = self._packed.get(name)
        if packed is not None:
            return cast("Value", pickle.loads(zlib.decompress(packed)))  # noqa: S301 - packed by this process
        value = make()
        self._packed[name] = zlib.compress(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL), level=FAST)
        return value


@lru_cache(maxsize=1)
def memory_of(lake: str, replay: str) -> Memory:
    """The memory of one replay; that of the one before is let go of."""
    del lake, replay
    return Memory()
