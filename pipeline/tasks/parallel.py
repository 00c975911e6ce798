"""Work that is spread over processes."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from pipeline.errors import DeclarationError
from pipeline.settings import Settings

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_PROCESS = 8
"""Fewer items than this are done here: starting processes and importing in them costs seconds."""


def run_parallel(settings: Settings, work: Callable[[list[Item]], list[Result]], items: Sequence[Item]) -> list[Result]:
    """``work`` over all items, in runs of neighbours, one run a process; results in the order of the items.

    Raises:
        DeclarationError: the setting names no backend.
    """
    processes = count_processes(settings)
    if processes == 1 or len(items) < WORTH_A_PROCESS:
        return work(list(items))
    import joblib  # noqa: PLC0415 - a night of one small job never comes here

    results = joblib.Parallel(n_jobs=processes)(
        joblib.delayed(_work_while_wanted)(os.getpid(), work, run) for run in _divide(items, processes)
    )
    return [result for part in results for result in part]


def iterate_parallel(
    settings: Settings, work: Callable[[list[Item]], list[Result]], items: Sequence[Item]
) -> Iterator[Result]:
    """``work`` of one item after the other, each as a process is free for it; results as they come, in any order.

    Raises:
        DeclarationError: the setting names no backend.
    """
    processes = count_processes(settings)
    if processes == 1 or len(items) == 1:
        for item in items:
            yield from work([item])
        return
    import joblib  # noqa: PLC0415 - a night of one small job never comes here

    parallel = joblib.Parallel(n_jobs=processes, return_as="generator_unordered", batch_size=1)
    parts = parallel(joblib.delayed(_work_while_wanted)(os.getpid(), work, [item]) for item in items)
    for part in parts:
        yield from part


def take_apart(settings: Settings, items: Sequence[Item]) -> list[Item]:
    """The items in an order in which no two neighbours are worked on at once: one of each process's run, in turn."""
    runs = _divide(items, count_processes(settings))
    return [run[turn] for turn in range(max(map(len, runs), default=0)) for run in runs if turn < len(run)]


def _divide(items: Sequence[Item], parts: int) -> list[list[Item]]:
    """Runs of neighbours, none of them empty."""
    bounds = [len(items) * number // parts for number in range(parts + 1)]
    return [list(items[start:end]) for start, end in pairwise(bounds) if end > start]


def _work_while_wanted(parent: int, work: Callable[[list[Item]], list[Result]], items: list[Item]) -> list[Result]:
    """``work`` item by item, in a process of its own, which ends when the one that started it is gone.

    A task that was killed would otherwise leave processes behind that go on for minutes.
    """
    results = []
    for item in items:
        if os.getppid() != parent:
            sys.exit("the process that wanted this is gone")
        results += work([item])
        _give_back_memory()
    return results


def _give_back_memory() -> None:
    """Let the system have what is free again: joblib ends a process that has grown by 300 MB, and starts another."""
    import pyarrow as pa  # noqa: PLC0415 - whoever works over processes has imported it

    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library
    if trim is not None:
        trim(0)


def count_processes(settings: Settings) -> int:
    """Processes that the setting ``parallel`` asks for: all cores for ``processes``.

    Raises:
        DeclarationError: it is of no known form.
    """
    kind, _, number = settings.parallel.partition(":")
    if kind == "inline" and not number:
        return 1
    if kind == "processes" and (not number or (number.isdecimal() and int(number) > 0)):
        return int(number) if number else len(os.sched_getaffinity(0))
    raise DeclarationError(
        "NIGHTJAR_PARALLEL is of no known form",
        expected="inline, processes, or processes:N",
        found=settings.parallel,
        next_step="correct the variable or unset it",
    )
