"""Both readers behind one face, so that a test asks either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipeline.serving import AsyncReader, Prediction, Reader, Reasons, Release, Status


class Awaited:
    """An :class:`AsyncReader`, asked as if it were a blocking one."""

    def __init__(self, url: str, job: str, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._reader = AsyncReader(url, job, **options)

    def get(self, entity_id: str, *, segment: str | None = None, partition: str | None = None) -> Prediction:
        return self._runner.run(self._reader.get(entity_id, segment=segment, partition=partition))

    def get_many(
        self, entity_ids: Iterable[str], *, segments: Mapping[str, str] | None = None, partition: str | None = None
    ) -> dict[str, Prediction]:
        return self._runner.run(self._reader.get_many(entity_ids, segments=segments, partition=partition))

    def reasons(self, entity_id: str, *, partition: str | None = None) -> Reasons:
        return self._runner.run(self._reader.reasons(entity_id, partition=partition))

    def reasons_many(
        self, entity_ids: Iterable[str], *, segments: Mapping[str, str] | None = None, partition: str | None = None
    ) -> dict[str, Reasons]:
        return self._runner.run(self._reader.reasons_many(entity_ids, segments=segments, partition=partition))

    def status(self) -> Status:
        return self._runner.run(self._reader.status())

    def releases(self) -> list[Release]:
        return self._runner.run(self._reader.releases())

    def close(self) -> None:
        self._runner.run(self._reader.close())
        self._runner.close()


AnyReader = Reader | Awaited
OpenReader = Callable[..., AnyReader]
