"""Work in threads beside this one, of what lets others run meanwhile: Arrow, digests, reading and writing."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = min(4, len(os.sched_getaffinity(0)))
"""At once, for one task."""


def map_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``work`` of one item after the other, in their order; as many are begun ahead as there are threads.

    Items are taken in this thread, no sooner than a thread is free for them, so that few are held.
    """
    ahead: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ahead")
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > THREADS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
