"""A Dask cluster that shards are sent to, as a setting says: ``dask://host:port`` of its scheduler.

Its workers need the lake, and the code and libraries of whoever sends them work: a stage's output is named by those.
What they are sent holds the keys that models are signed with and no other secret, so the cluster's network must be a
private one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.digests import digest_code, list_modules
from pipeline.errors import DeclarationError, UnavailableError
from pipeline.tasks.workspace import environment_of

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Result = TypeVar("Result")

SCHEME = "dask://"
PATIENCE = 10.0
"""Seconds that a scheduler may take to answer, and to have a worker."""

_clients: dict[str, Client] = {}


def connect(url: str) -> Client:
    """The client of a cluster, opened once in a process.

    Raises:
        DeclarationError: Dask is not installed.
        UnavailableError: the scheduler does not answer, or has no workers.
    """
    client = _clients.get(url)
    if client is None or client.status != "running":
        client = _clients[url] = _open_client(url)
    return client


def count_threads(url: str) -> int:
    """Shards that a cluster works on at once.

    Raises:
        DeclarationError: Dask is not installed.
        UnavailableError: as of :func:`connect`.
    """
    return sum(connect(url).ncores().values())


def work_on_cluster(work: Callable[[list[Item]], list[Result]]) -> Callable[[list[Item]], list[Result]]:
    """``work``, refused by a worker whose code or libraries would give other bytes."""
    return partial(_work_if_alike, _describe_code(), work)


@contextmanager
def tell_lost_work(url: str) -> Iterator[None]:
    """Turn what Dask raises when work cannot be brought to an end into an error for operators.

    A worker that is lost costs its shards alone, which the scheduler gives to others.

    Raises:
        UnavailableError: the scheduler is gone, or the same shard was lost with one worker after the other.
    """
    from distributed import KilledWorker  # noqa: PLC0415 - an optional dependency, and takes half a second

    try:
        yield
    except KilledWorker as error:
        raise _unavailable(
            url,
            "a shard was lost with every worker that tried it",
            found=f"{error.allowed_failures + 1} workers lost, the last one {error.last_worker.address}",
            next_step="look at the logs of these workers; where memory ran out, declare more shards for the source",
        ) from None
    except (CancelledError, OSError) as error:
        raise _unavailable(
            url,
            "the Dask cluster was lost in the middle of the work",
            found=type(error).__name__,
            next_step="start the scheduler again, and run the stage again: what was done is found done",
        ) from error


def _open_client(url: str) -> Client:
    try:
        from distributed import Client  # noqa: PLC0415 - an optional dependency, and takes half a second
    except ImportError as error:
        raise DeclarationError(
            "NIGHTJAR_PARALLEL names a Dask cluster, and Dask is not installed",
            expected="the distribution nightjar[dask]",
            found=str(error),
            next_step="install it, or set NIGHTJAR_PARALLEL to processes",
        ) from error
    try:
        client = Client(url.replace(SCHEME, "tcp://"), timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _unavailable(
            url,
            "the scheduler of the Dask cluster does not answer",
            found=type(error).__name__,
            next_step="start it, or correct NIGHTJAR_PARALLEL",
        ) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        client.close()
        raise _unavailable(
            url,
            "the Dask cluster has no workers",
            found=f"none after {PATIENCE:.0f} s",
            next_step="start workers, one thread each: dask worker HOST:PORT --nthreads 1",
        ) from error
    return client


def _work_if_alike(
    expected: dict[str, str], work: Callable[[list[Item]], list[Result]], items: list[Item]
) -> list[Result]:
    found = _describe_code()
    if found != expected:
        raise DeclarationError(
            "a worker of the Dask cluster is not of the code and libraries that sent it work",
            expected=_tell(expected, found),
            found=_tell(found, expected),
            next_step="install the same release on every worker",
        )
    return work(items)


@cache
def _describe_code() -> dict[str, str]:
    """What the bytes of stages depend on beside their inputs."""
    modules = [name for package in ("pipeline.stages", "features") for name in list_modules(package)]
    return {**environment_of("pandera", "scikit-learn"), "stages and features": digest_code(*modules)[:12]}


def _tell(one: dict[str, str], other: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in one.items() if other.get(name) != value)


def _unavailable(url: str, problem: str, **parts: Any) -> UnavailableError:
    return UnavailableError(problem, expected=f"a scheduler with workers at {url}", **parts)
