"""Work that is spread over processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
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

    bounds = [len(items) * number // processes for number in range(processes + 1)]
    runs = [list(items[start:end]) for start, end in pairwise(bounds) if end > start]
    results = joblib.Parallel(n_jobs=processes)(
        joblib.delayed(_work_while_wanted)(os.getpid(), work, run) for run in runs
    )
    return [result for part in results for result in part]


def _work_while_wanted(parent: int, work: Callable[[list[Item]], list[Result]], items: list[Item]) -> list[Result]:
    """``work`` item by item, in a process of its own, which ends when the one that started it is gone.

    A task that was killed would otherwise leave processes behind that go on for minutes.
    """
    results = []
    for item in items:
        if os.getppid() != parent:
            sys.exit("the process that wanted this is gone")
        results += work([item])
    return results


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
