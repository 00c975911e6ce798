"""Work in threads: results in order, few items held, and an error that ends it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline import threads
from pipeline.threads import map_ahead


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "THREADS", 2)


def test_results_are_in_the_order_of_the_items() -> None:
    """Though the second has ended before the first."""
    ended = threading.Event()

    def work(item: int) -> int:
        assert item != 0 or ended.wait(30)
        if item == 1:
            ended.set()
        return item

    assert list(map_ahead(work, range(4))) == [0, 1, 2, 3]
    assert list(map_ahead(work, [])) == []


def test_two_are_worked_on_at_once() -> None:
    together = threading.Barrier(2, timeout=30)
    assert len({*map_ahead(lambda _: together.wait(), range(4))}) == 2


def test_no_more_items_are_taken_than_threads_are_free_for() -> None:
    taken = []

    def take() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: item, take())
    for expected in range(10):
        assert next(results) == expected
        assert len(taken) <= expected + 3


def test_what_goes_wrong_is_raised_and_ends_it() -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError("item 2")
        return item

    results = map_ahead(work, range(100))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="item 2"):
        next(results)
    assert len(begun) <= 6
