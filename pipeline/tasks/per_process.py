"""Values that many shards need: made once by every process that works on them, and never sent."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pipeline.tasks.workspace import Workspace

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """A value by the function that makes it: what is sent to another process is the function.

    A process that is sent work keeps the value for the shards that follow, until it is sent another.

    Args:
        here: gives the value in this process, where that is another way to it.
    """

    def __init__(
        self,
        make: Callable[[Workspace], Value],
        *,
        here: Callable[[], Value] | None = None,
        name: str | None = None,
    ) -> None:
        self._make = make
        self._here = here
        self._name = name or uuid.uuid4().hex
        self._made: list[Value] = []

    def __call__(self, workspace: Workspace) -> Value:
        """The value."""
        if not self._made:
            self._made.append(self._make(workspace) if self._here is None else self._here())
        return self._made[0]

    def __reduce__(self) -> tuple[Callable[..., PerProcess[Any]], tuple[Any, ...]]:
        return _receive, (self._make, self._name)


_received: dict[str, PerProcess[Any]] = {}


def _receive(make: Callable[[Workspace], Value], name: str) -> PerProcess[Value]:
    if name not in _received:
        _received.clear()
        _received[name] = PerProcess(make, name=name)
    return _received[name]
