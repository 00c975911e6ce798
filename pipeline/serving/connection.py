"""How look-ups get to Redis and back, blocking or awaiting, with errors of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import redis
import redis.asyncio as async_redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipeline.redis_url import (
    REDIS_ERRORS,
    close_async_client,
    close_client,
    describe_client,
    open_async_client,
    open_client,
    read_url,
)
from pipeline.serving.errors import StoreUnavailable
from pipeline.serving.lookups import Answer, Command, Steps

# An application waits for this: fail early rather than try for long.
_OPTIONS: dict[str, Any] = {"decode_responses": True, "socket_timeout": 5, "socket_connect_timeout": 2}
_RETRIES = 1


Client = TypeVar("Client", bound="redis.Redis | async_redis.Redis")


class AnyConnection(Generic[Client]):
    """A URL, or a client that the application already has."""

    def __init__(self, url_or_client: str | Client, job: str) -> None:
        self._job = job
        self._url = url_or_client if isinstance(url_or_client, str) else None
        self._client: Client | None = None if isinstance(url_or_client, str) else url_or_client

    def describe(self) -> str:
        """Where Redis is, for messages."""
        return read_url(self._url).describe() if self._url is not None else describe_client(self._client)


class Connection(AnyConnection[redis.Redis]):
    """Runs look-ups, through a URL or a client that the application already has."""

    def close(self) -> None:
        """Close what was opened here."""
        if self._url is not None and self._client is not None:
            close_client(self._client)
            self._client = None

    def run(self, steps: Steps[Answer]) -> Answer:
        """Run a look-up to its end.

        Raises:
            StoreUnavailable: Redis does not answer, or does not let this user read.
        """
        replies: list[Any] | None = None
        while True:
            try:
                commands = steps.send(replies)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            with _explained(self._job, self.describe):
                replies = self._execute(commands)

    def _execute(self, commands: Sequence[Command]) -> list[Any]:
        if self._client is None:
            self._client = open_client(str(self._url), **_OPTIONS, retry=Retry(NoBackoff(), _RETRIES))
        if len(commands) == 1:
            return [self._client.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        # No MULTI: a full Redis refuses it even for reads.
        with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            return pipeline.execute()


class AsyncConnection(AnyConnection[async_redis.Redis]):
    """Like :class:`Connection`, for asyncio; to be used in one event loop."""

    async def close(self) -> None:
        """Close what was opened here."""
        if self._url is not None and self._client is not None:
            await close_async_client(self._client)
            self._client = None

    async def run(self, steps: Steps[Answer]) -> Answer:
        """Run a look-up to its end.

        Raises:
            StoreUnavailable: Redis does not answer, or does not let this user read.
        """
        replies: list[Any] | None = None
        while True:
            try:
                commands = steps.send(replies)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            with _explained(self._job, self.describe):
                replies = await self._execute(commands)

    async def _execute(self, commands: Sequence[Command]) -> list[Any]:
        if self._client is None:
            self._client = open_async_client(str(self._url), **_OPTIONS, retry=AsyncRetry(NoBackoff(), _RETRIES))
        if len(commands) == 1:
            return [await self._client.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute()


@contextmanager
def _explained(job: str, describe: Callable[[], str]) -> Iterator[None]:
    try:
        yield
    except REDIS_ERRORS as error:
        raise StoreUnavailable(
            f"predictions cannot be read from Redis at {describe()}",
            job=job,
            expected="an answer",
            found=f"{type(error).__name__}: {error}",
            next_step="start Redis, or correct its URL, user and password",
        ) from error
