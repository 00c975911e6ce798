"""Work that is spread over processes of this machine, or over those of a Dask cluster."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import TypeVar

from pipeline.errors import DeclarationError
from pipeline.garbage import end_without_collection
from pipeline.settings import Settings
from pipeline.tasks.dask_cluster import SCHEME, connect, count_threads, tell_lost_work, work_on_cluster
from pipeline.tasks.workspace import Workspace

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_PROCESS = 8
"""Fewer items than this are done here: starting processes and importing in them costs seconds."""

ROWS_WORTH_A_PROCESS = 250_000
"""Shards with fewer rows for every process are done here, for the same reason."""

MEMORY_KEPT = 128 * 2**20
"""Bytes by which a process may grow before it gives back what is free: asking for it anew takes time."""

_first_size: list[int] = []


def run_shards(
    workspace: Workspace, work: Callable[[Workspace, Item], Result], shards: Sequence[Item], *, rows: int
) -> list[Result]:
    """``work`` of every shard, as a process is free for it; results in the order of the shards.

    Processes that were started once are used again by the stages after.

    Args:
        work: is given a workspace that needs no secret but the keys of models, and the shard.
        rows: of all shards together.

    Raises:
        DeclarationError: the setting names no backend.
        UnavailableError: the cluster cannot be reached.
    """
    if not shards:
        return []
    processes = min(count_processes(workspace.settings), len(shards))
    if processes == 1 or rows < processes * ROWS_WORTH_A_PROCESS:
        return [work(workspace, shard) for shard in shards]
    remote = partial(work, workspace.for_workers())
    return list(_spread(workspace.settings, partial(_work_singly, remote), [[shard] for shard in shards]))


def run_parallel(
    workspace: Workspace, work: Callable[[Workspace, list[Item]], list[Result]], items: Sequence[Item]
) -> list[Result]:
    """``work`` over all items, in runs of neighbours, one run a process; results in the order of the items.

    Raises:
        DeclarationError: the setting names no backend.
        UnavailableError: the cluster cannot be reached.
    """
    processes = count_processes(workspace.settings)
    if processes == 1 or len(items) < WORTH_A_PROCESS:
        return work(workspace, list(items))
    return list(_spread(workspace.settings, partial(work, workspace.for_workers()), _divide(items, processes)))


def iterate_parallel(
    settings: Settings, work: Callable[[list[Item]], list[Result]], items: Sequence[Item]
) -> Iterator[Result]:
    """``work`` of one item after the other, each as a process is free for it; results as they come, in any order.

    Raises:
        DeclarationError: the setting names no backend.
        UnavailableError: the cluster cannot be reached.
    """
    if count_processes(settings) == 1 or len(items) == 1:
        for item in items:
            yield from work([item])
        return
    yield from _spread(settings, work, [[item] for item in items], return_as="generator_unordered")


def take_apart(settings: Settings, items: Sequence[Item]) -> list[Item]:
    """The items in an order in which no two neighbours are worked on at once: one of each process's run, in turn."""
    runs = _divide(items, count_processes(settings))
    return [run[turn] for turn in range(max(map(len, runs), default=0)) for run in runs if turn < len(run)]


def count_processes(settings: Settings) -> int:
    """Processes that the setting ``parallel`` asks for: all cores for ``processes``, all threads of a cluster.

    Raises:
        DeclarationError: it is of no known form.
        UnavailableError: the cluster cannot be reached.
    """
    if settings.parallel.startswith(SCHEME):
        return count_threads(settings.parallel)
    kind, _, number = settings.parallel.partition(":")
    if kind == "inline" and not number:
        return 1
    if kind == "processes" and (not number or (number.isdecimal() and int(number) > 0)):
        return int(number) if number else len(os.sched_getaffinity(0))
    raise DeclarationError(
        "NIGHTJAR_PARALLEL is of no known form",
        expected=f"inline, processes, processes:N, or {SCHEME}HOST:PORT",
        found=settings.parallel,
        next_step="correct the variable or unset it",
    )


def _spread(
    settings: Settings,
    work: Callable[[list[Item]], list[Result]],
    runs: Sequence[list[Item]],
    return_as: str = "list",
) -> Iterator[Result]:
    """``work`` over every run of items, each in a process of the backend."""
    import joblib  # noqa: PLC0415 - a night of one small job never comes here

    if settings.parallel.startswith(SCHEME):
        with joblib.parallel_config("dask", n_jobs=-1, client=connect(settings.parallel)):
            parallel = joblib.Parallel(return_as=return_as, batch_size=1)
        with tell_lost_work(settings.parallel):
            yield from chain.from_iterable(parallel(joblib.delayed(work_on_cluster(work))(run) for run in runs))
    else:
        parallel = joblib.Parallel(count_processes(settings), "loky", return_as, batch_size=1)
        yield from chain.from_iterable(
            parallel(joblib.delayed(_work_while_wanted)(os.getpid(), work, run) for run in runs)
        )


def _divide(items: Sequence[Item], parts: int) -> list[list[Item]]:
    """Runs of neighbours, none of them empty."""
    bounds = [len(items) * number // parts for number in range(parts + 1)]
    return [list(items[start:end]) for start, end in pairwise(bounds) if end > start]


def _work_singly(work: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    return [work(item) for item in items]


def _work_while_wanted(parent: int, work: Callable[[list[Item]], list[Result]], items: list[Item]) -> list[Result]:
    """``work`` item by item, in a process of its own, which ends when the one that started it is gone.

    A task that was killed would otherwise leave processes behind that go on for minutes.
    """
    end_without_collection()
    results = []
    for item in items:
        if os.getppid() != parent:
            sys.exit("the process that wanted this is gone")
        results += work([item])
        _give_back_memory()
    return results


def _give_back_memory() -> None:
    """Let the system have what is free again: joblib ends a process that has grown by 300 MB, and starts another."""
    import psutil  # noqa: PLC0415 - whoever works over processes has imported it
    import pyarrow as pa  # noqa: PLC0415 - the same

    size = psutil.Process().memory_info().rss
    if not _first_size:
        _first_size.append(size)
    if size < _first_size[0] + MEMORY_KEPT:
        return
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)
